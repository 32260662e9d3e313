"""Opens the source that the argument of `watch` means."""

from __future__ import annotations

import math
import os
import stat
import sys
from collections.abc import Generator, Iterable
from io import IOBase
from typing import Any

from sqznet.errors import SqznetError, path_for_messages, printable, reason_of
from sqznet.files.paths import expanded
from sqznet.images.callers import several
from sqznet.images.decoding import decode
from sqznet.images.frame import Frame
from sqznet.watching.animation import AnimationSource, may_be_animated
from sqznet.watching.folder import FolderSource
from sqznet.watching.picamera import PicameraSource, is_picamera
from sqznet.watching.shot import Notice, Shot, Source, now
from sqznet.watching.video import Kind, VideoSource


class FramesSource:
    """Images from the caller's iterable; each is anything that `classify` takes.

    format: "rgb" or "bgr", the channel order of arrays. live: whether they arrive at their own
    pace. rate: how many were taken per second, None if they are taken as they arrive.
    """

    name = "frames"
    timed = True

    def __init__(self, frames: Iterable[Any], format: str, live: bool, rate: float | None) -> None:
        self.live, self._rate = live, rate
        self._frames, self._bgr = frames, format == "bgr"

    def shots(self) -> Generator[Shot, None, None]:
        began = now()
        for number, frame in enumerate(self._frames):
            arrived = now()
            picture = Frame.of(decode(frame, bgr=self._bgr))
            time = arrived - began if self._rate is None else number / self._rate
            yield Shot(picture, time, arrived)


def open_source(
    source: Any, format: str, live: bool | None, rate: float | None, notice: Notice
) -> Source:
    """The source that `watch` describes. Raises SqznetError if it does not exist or work."""
    if format not in ("rgb", "bgr"):
        raise SqznetError(f"format is {format!r}, expected 'rgb' or 'bgr'")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise SqznetError(f"rate is {rate}, expected more than 0")
    opened = _opened(source, format, live, rate, notice)
    if rate is not None and (opened.live or not isinstance(opened, FramesSource)):
        raise SqznetError("rate is for images from a program: this source has its own times")
    return opened


def _opened(
    source: Any, format: str, live: bool | None, rate: float | None, notice: Notice
) -> Source:
    if isinstance(source, int) and not isinstance(source, bool):
        return _camera(source)
    if isinstance(source, (str, os.PathLike)):
        return _named(expanded(source), notice)
    if is_picamera(source):
        return PicameraSource(source)
    frames = several(source)
    # A camera may have a read() besides being iterable.
    if frames is None and hasattr(source, "read") and isinstance(source, Iterable):
        frames = None if isinstance(source, IOBase) else source
    if frames is not None:
        return FramesSource(frames, format, bool(live), rate)
    raise SqznetError(
        f"cannot watch <{type(source).__name__}>, expected a camera number, a video file, a "
        "folder, an address, a Picamera2 or an iterable of frames"
    )


def _camera(number: int) -> Source:
    if not sys.platform.startswith("linux"):
        raise SqznetError("cameras by number need V4L2, which only Linux has")
    path = f"/dev/video{number}"
    if number < 0 or not os.path.exists(path):
        raise SqznetError(f"camera {number}: no such device ({path})")
    return VideoSource(path, Kind.CAMERA)


def _named(name: str, notice: Notice) -> Source:
    if "://" in name:
        return VideoSource(name, Kind.ADDRESS)
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError) as error:
        raise SqznetError(f"{path_for_messages(name)}: {reason_of(error)}") from None
    if stat.S_ISDIR(mode):
        return FolderSource(name, notice)
    if stat.S_ISREG(mode) and may_be_animated(name):
        return AnimationSource(name)
    kind = Kind.FILE
    if stat.S_ISCHR(mode):
        kind = Kind.CAMERA
    elif stat.S_ISFIFO(mode):
        kind = Kind.PIPE
    # FFmpeg would read a name such as "concat:a" as one of its protocols.
    return VideoSource(os.path.abspath(name), kind, printable(name))
