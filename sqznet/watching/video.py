"""Video files, cameras, pipes and network streams, through PyAV (the extra `video`)."""

from __future__ import annotations

import errno
import re
from collections.abc import Generator, Iterator
from enum import Enum
from typing import Any

from sqznet.errors import SqznetError, printable, reason_of
from sqznet.images.frame import Frame
from sqznet.watching.fetched import fetched
from sqznet.watching.length import is_endless, stated_length
from sqznet.watching.pipe import Pipe, open_pipe
from sqznet.watching.shot import LostError, Shot, now

# Seconds to open a network stream, and to wait for its next packet.
TIMEOUT = 10.0
# A file that ends more than this many seconds before its stated end was truncated.
MISSING = 0.5

# Formats of recordings that may begin between two key frames: what comes before the first one
# cannot be decoded.
_JOINED_MIDWAY = frozenset(("h264", "hevc", "m4v", "mjpeg", "mpeg", "mpegts", "mpegvideo"))

_PLANAR = {"yuv420p": 1, "yuvj420p": 1, "nv12": 2, "nv21": 2}
_BT709 = 1  # AVCOL_SPC_BT709; all others are read as BT.601, FFmpeg's default
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


class Kind(Enum):
    """Where a video comes from."""

    CAMERA = "a V4L2 device"
    FILE = "a file, which can be read anywhere"
    PIPE = "a FIFO or a pipe, which is read once"
    ADDRESS = "the network"


def pyav() -> Any:
    """The module `av`. Raises SqznetError with the install command if it is not installed."""
    try:
        import av
    except ImportError:
        raise SqznetError("video needs PyAV: pip install av") from None
    return av


def shown(address: str) -> str:
    """The address for display: on one line, without user name and password."""
    return printable(re.sub(r"(?<=://)[^/?#]*@", "", address))


class _UnreadableError(SqznetError):
    """FFmpeg gave no frame of what it read."""


class VideoSource:
    """The first video stream of a file, a camera, a pipe or an address.

    address: what FFmpeg opens; kind: where that is; name: its name in messages, if different.
    Cameras and endless streams are live; every frame of anything else counts. Raises SqznetError if
    it cannot be opened.
    """

    timed = True

    def __init__(self, address: str, kind: Kind, name: str | None = None) -> None:
        self._input: Any = address
        self._av = pyav()
        self.name = name or shown(address)
        self._address, self._kind = address, kind
        if kind is Kind.PIPE:
            try:
                self._input = open_pipe(address)
            except OSError as error:
                raise SqznetError(f"{self.name}: {reason_of(error)}") from None
        self._opened: Any = self._open_or_fetch()
        endless = self._kind is Kind.ADDRESS and is_endless(self._opened)
        self.live = kind is Kind.CAMERA or endless

    def __del__(self) -> None:  # it may never have been read
        self._close_input()

    def _close_input(self) -> None:
        """Closes a file of its own."""
        if not isinstance(self._input, str):
            self._input.close()

    def _open_or_fetch(self) -> Any:
        try:
            return self._open()
        except _UnreadableError:
            if not self._fetch():
                raise
        return self._open()

    def _fetch(self) -> bool:
        """Whether the source is a file of its own now: FFmpeg cannot read every file from a server
        that always sends the whole."""
        if self._kind is not Kind.ADDRESS:
            return False
        file = fetched(self._address, self.name)
        if file is not None:
            self._input, self._kind = file, Kind.FILE
        return file is not None

    def _open(self) -> Any:
        camera, network = self._kind is Kind.CAMERA, self._kind is Kind.ADDRESS
        options = {"rtsp_transport": "tcp"} if self._address.startswith("rtsp") else {}
        try:
            opened = self._av.open(
                self._input,
                "r",
                format="v4l2" if camera else None,
                options=options,
                timeout=TIMEOUT if network else None,
            )
        except (self._av.error.InvalidDataError, EOFError):
            self._raise_interrupt()
            raise _UnreadableError(
                f"{self.name}: no format that FFmpeg reads, expected a video"
            ) from None
        except (self._av.FFmpegError, OSError, ValueError) as error:
            self._raise_interrupt()
            kind = _UnreadableError if _is_broken_off(error) else SqznetError
            raise kind(f"{self.name}: {reason_of(error)}") from None
        try:
            self._raise_interrupt()
            if not opened.streams.video:
                raise SqznetError(f"{self.name}: no video in it, expected a video stream")
            stream = opened.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise SqznetError(f"{self.name}: no codec of this FFmpeg decodes its video")
        except BaseException:
            opened.close()
            raise
        # Frame threads decode several frames at once, which would delay a live picture.
        stream.thread_type = "AUTO" if self._kind is Kind.FILE else "SLICE"
        return opened

    def _raise_interrupt(self) -> None:
        """Raises what came, such as Ctrl-C, while FFmpeg read from a pipe."""
        if isinstance(self._input, Pipe) and self._input.interrupt is not None:
            raise self._input.interrupt

    def shots(self) -> Generator[Shot, None, None]:
        try:
            opened = self._opened or self._open()
        except SqznetError as error:
            raise LostError(str(error).removeprefix(f"{self.name}: ")) from None
        self._opened = None
        try:
            if self.live:
                yield from self._live_shots(opened)
                return
            try:
                yield from self._all_shots(opened)
            except _UnreadableError:
                if not self._fetch():
                    raise
                opened.close()
                opened = self._open()
                yield from self._all_shots(opened)
        finally:
            opened.close()
            self._close_input()

    def _live_shots(self, opened: Any) -> Iterator[Shot]:
        began = now()
        try:
            for packet in opened.demux(opened.streams.best("video")):
                try:
                    frames = packet.decode()
                except self._av.error.InvalidDataError:
                    continue  # joined midway, or a packet was lost
                for frame in frames:
                    arrived = now()
                    yield Shot(to_frame(frame), arrived - began, arrived)
        except (self._av.FFmpegError, OSError) as error:
            raise LostError(reason_of(error)) from None
        raise LostError("the stream ended")

    def _all_shots(self, opened: Any) -> Iterator[Shot]:
        stream = opened.streams.best("video")
        interval = 1 / float(stream.guessed_rate or stream.average_rate or 25)
        reached, last, frames = 0.0, -interval, 0
        start = (opened.start_time or 0) / self._av.time_base
        first = stream.start_time
        try:
            for packet in self._packets(opened):
                if packet.pts is not None and packet.time_base is not None:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    reached = max(reached, float(end) - start)
                if packet.stream is not stream:
                    continue
                for frame in self._decoded(packet, opened, frames == 0):
                    time = last + interval
                    if frame.pts is not None:
                        first = frame.pts if first is None else first
                        time = float((frame.pts - first) * frame.time_base)
                    last = time
                    frames += 1
                    yield Shot(to_frame(frame), time, now())
        except (self._av.FFmpegError, OSError) as error:
            # An answer of unknown length ends where the server closes the connection.
            if not (frames and opened.size < 0 and _is_broken_off(error)):
                kind = SqznetError if frames else _UnreadableError
                raise kind(
                    f"{self.name}: damaged after {last + interval:.1f} s: {reason_of(error)}"
                ) from None
        if not frames:
            raise _UnreadableError(f"{self.name}: none of its frames could be decoded")
        length = stated_length(opened, self._address if self._kind is Kind.FILE else None)
        if reached < length - MISSING:
            raise SqznetError(
                f"{self.name}: ends after {last + interval:.1f} s of {length:.1f} s, the file was "
                "cut short"
            )

    def _packets(self, opened: Any) -> Iterator[Any]:
        for packet in opened.demux():
            self._raise_interrupt()
            yield packet

    def _decoded(self, packet: Any, opened: Any, is_begin: bool) -> list[Any]:
        try:
            return list(packet.decode())
        except self._av.error.InvalidDataError:
            if is_begin and opened.format.name in _JOINED_MIDWAY:
                return []
            raise


def _is_broken_off(error: Exception) -> bool:
    """Whether the connection to a server ended earlier than FFmpeg expected."""
    return getattr(error, "errno", None) == errno.EIO


def to_frame(frame: Any) -> Frame:
    """A decoded frame in FFmpeg's own memory, or a converted copy if the format is not ours."""
    if frame.rotation:
        import numpy as np

        turned = np.rot90(_packed(frame).to_rgb(), round(frame.rotation / 90))
        return Frame.wrap(turned)
    steps, planes = _PLANAR.get(frame.format.name, 0), frame.planes
    if not steps or any(plane.line_size <= 0 for plane in planes):
        return _packed(frame)
    y, chroma = memoryview(planes[0]), [memoryview(plane) for plane in planes[1:]]
    u, v = chroma if steps == 1 else (chroma[0], chroma[0][1:])
    if frame.format.name == "nv21":
        u, v = v, u
    return Frame.from_planes(
        (y, u, v),
        (planes[0].line_size, planes[1].line_size),
        steps,
        frame.height,
        frame.width,
        matrix="bt709" if int(frame.colorspace) == _BT709 else "bt601",
        full_range=int(frame.color_range) == _FULL_RANGE or frame.format.name == "yuvj420p",
    )


def _packed(frame: Any) -> Frame:
    """Any frame as RGB, converted by FFmpeg."""
    import numpy as np

    rgb = frame if frame.format.name == "rgb24" else frame.reformat(format="rgb24")
    plane = rgb.planes[0]
    pixels: np.ndarray[Any, Any] = np.ndarray(
        (rgb.height, rgb.width, 3), np.uint8, memoryview(plane), 0, (plane.line_size, 3, 1)
    )
    return Frame.wrap(pixels)
