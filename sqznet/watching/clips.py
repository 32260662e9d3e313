"""Keeps short videos of what happened, with the seconds before it.

The latest frames wait in memory as JPEG, at most `_MOST_BYTES`. When something happens, they and
the frames that follow become a video, a few at a time, so that no new frame waits for all of them.
"""

from __future__ import annotations

import io
from collections import deque
from typing import TYPE_CHECKING

from sqznet.watching.annotate import AnnotatedVideo
from sqznet.watching.video import pyav

if TYPE_CHECKING:
    from PIL import Image

_MOST_BYTES = 64 << 20
_QUALITY = 90  # of JPEG
# How many waiting frames are written for each new one.
_AT_ONCE = 3
# The length of a video in seconds, if things keep happening; then another one begins.
_LONGEST = 60.0
# Times are rounded; this many seconds more or less do not count.
_ROUNDED = 1e-3


class Clips:
    """The videos of one stream, each with this many seconds before what happened and after it.

    Raises SqznetError without PyAV.
    """

    def __init__(self, seconds: float) -> None:
        pyav()
        self._seconds = seconds
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._video: AnnotatedVideo | None = None
        self._began = self._end = 0.0

    def add(self, picture: Image.Image, time: float, path: str | None) -> None:
        """Takes the frame at a time in seconds; ``path``: for a video of what happened in it, if
        anything did. If a video is being made already, it becomes longer instead.

        Raises OSError, naming the file, if it cannot be written.
        """
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=_QUALITY)
        self._waiting.append((time, content.getvalue()))
        self._bytes += len(content.getvalue())
        if self._video is None:
            while self._is_over(time) or self._is_too_much():
                self._next()
        if path is not None:
            if self._video is None:
                self._video, self._began = AnnotatedVideo(path), self._waiting[0][0]
            self._end = min(time + self._seconds, self._began + _LONGEST)
        if self._video is not None:
            if time >= self._end - _ROUNDED:
                self.close()
            else:
                self._write(self._video, _AT_ONCE)

    def close(self) -> None:
        """Completes the video that is being made, if there is one."""
        video, self._video = self._video, None
        if video is not None:
            with video:
                self._write(video, len(self._waiting))

    def _write(self, video: AnnotatedVideo, frames: int) -> None:
        from PIL import Image

        for _ in range(min(frames, len(self._waiting))):
            time, content = self._next()
            with Image.open(io.BytesIO(content)) as picture:
                video.add(picture, time - self._began)

    def _is_over(self, time: float) -> bool:
        """Whether the oldest frame is too old at a time."""
        return self._waiting[0][0] < time - self._seconds - _ROUNDED

    def _is_too_much(self) -> bool:
        return self._bytes > _MOST_BYTES and len(self._waiting) > 1

    def _next(self) -> tuple[float, bytes]:
        """The oldest of the waiting frames, which is waiting no more."""
        time, content = self._waiting.popleft()
        self._bytes -= len(content)
        return time, content
