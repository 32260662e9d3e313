"""From what a person says to watch to the source that reads it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Generator, Iterable
from typing import Any

from sqznet.errors import SqznetError, printable
from sqznet.images.decoding import decode
from sqznet.images.frame import Frame
from sqznet.watching.folder import FolderSource
from sqznet.watching.picamera import PicameraSource, is_picamera
from sqznet.watching.shot import Notice, Shot, Source, now
from sqznet.watching.video import VideoSource


class FramesSource:
    """Pictures that the caller's own loop or generator gives: anything `classify` takes.

    format: "rgb" or "bgr", of those that are arrays. live: whether they come at their own pace.
    """

    name = "frames"
    timed = True

    def __init__(self, frames: Iterable[Any], format: str, live: bool) -> None:
        self.live = live
        self._frames, self._bgr = frames, format == "bgr"

    def shots(self) -> Generator[Shot, None, None]:
        began = now()
        for frame in self._frames:
            arrived = now()
            picture = Frame.of(decode(frame), self._bgr and hasattr(frame, "__array__"))
            yield Shot(picture, arrived - began, arrived)


def open_source(source: Any, format: str, live: bool | None, notice: Notice) -> Source:
    """The source that `watch` describes. Raises SqznetError if there is none or it is unusable."""
    if format not in ("rgb", "bgr"):
        raise SqznetError(f"format is {format!r}, expected 'rgb' or 'bgr'")
    if isinstance(source, int) and not isinstance(source, bool):
        return _camera(source)
    if isinstance(source, (str, os.PathLike)):
        return _named(os.fsdecode(source), notice)
    if is_picamera(source):
        return PicameraSource(source)
    one_picture = getattr(source, "ndim", 4) != 4 or isinstance(source, (bytes, bytearray))
    if isinstance(source, Iterable) and not one_picture:
        return FramesSource(source, format, bool(live))
    raise SqznetError(
        f"cannot watch <{type(source).__name__}>, expected a camera's number, a video file, a "
        "folder, an address, a Picamera2 or something that gives frames"
    )


def _camera(number: int) -> Source:
    if not sys.platform.startswith("linux"):
        raise SqznetError("cameras by number are read through V4L2, which Linux alone has")
    path = f"/dev/video{number}"
    if number < 0 or not os.path.exists(path):
        raise SqznetError(f"camera {number}: no such device ({path})")
    return VideoSource(path, "v4l2")


def _named(name: str, notice: Notice) -> Source:
    if "://" in name:
        return VideoSource(name)
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SqznetError(f"{printable(name)}: {reason}") from None
    if stat.S_ISDIR(mode):
        return FolderSource(name, notice)
    # FFmpeg would take a name such as "concat:a" for a protocol of its own.
    path = os.path.abspath(name)
    return VideoSource(path, "v4l2" if stat.S_ISCHR(mode) else None, printable(name))
