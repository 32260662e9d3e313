"""Video files, cameras and network streams, through PyAV (the extra `video`)."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

from sqznet.errors import SqznetError, printable, reason_of
from sqznet.images.frame import Frame
from sqznet.watching.shot import LostError, Shot, now

# Seconds to open a network stream, and to wait for its next packet.
TIMEOUT = 10.0
# A file that ends more than this many seconds before its stated end was truncated.
MISSING = 0.5

_PLANAR = {"yuv420p": 1, "yuvj420p": 1, "nv12": 2, "nv21": 2}
_BT709 = 1  # AVCOL_SPC_BT709; all others are read as BT.601, FFmpeg's default
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def pyav() -> Any:
    """The module `av`. Raises SqznetError with the install command if it is not installed."""
    try:
        import av
    except ImportError:
        raise SqznetError("video needs PyAV: pip install sqznet[video]") from None
    return av


def shown(address: str) -> str:
    """The address for display: on one line, without user name and password."""
    return printable(re.sub(r"(?<=://)[^/?#]*@", "", address))


class VideoSource:
    """The first video stream of a file, a camera or an address.

    address: what FFmpeg opens; name: its name in messages, if different. container: FFmpeg's name
    of the input format, None to detect it. Cameras and endless streams are live. Raises SqznetError
    if it cannot be opened.
    """

    timed = True

    def __init__(self, address: str, container: str | None = None, name: str | None = None) -> None:
        self._av = pyav()
        self.name = name or shown(address)
        self._address, self._format = address, container
        self._opened: Any = self._open()
        self.live = container is not None or not self._opened.duration

    def _open(self) -> Any:
        network = "://" in self._address
        options = {"rtsp_transport": "tcp"} if self._address.startswith("rtsp") else {}
        try:
            opened = self._av.open(
                self._address,
                format=self._format,
                options=options,
                timeout=TIMEOUT if network else None,
            )
        except (self._av.error.InvalidDataError, EOFError):
            raise SqznetError(
                f"{self.name}: no format that FFmpeg reads, expected a video"
            ) from None
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise SqznetError(f"{self.name}: {reason_of(error)}") from None
        if not opened.streams.video:
            opened.close()
            raise SqznetError(f"{self.name}: no video in it, expected a video stream")
        # Frame threads decode several frames at once, which would delay a live picture.
        opened.streams.video[0].thread_type = "SLICE" if self._format or network else "AUTO"
        return opened

    def shots(self) -> Generator[Shot, None, None]:
        try:
            opened = self._opened or self._open()
        except SqznetError as error:
            raise LostError(str(error).removeprefix(f"{self.name}: ")) from None
        self._opened = None
        try:
            yield from self._live_shots(opened) if self.live else self._file_shots(opened)
        finally:
            opened.close()

    def _live_shots(self, opened: Any) -> Iterator[Shot]:
        began = now()
        try:
            for packet in opened.demux(opened.streams.video[0]):
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

    def _file_shots(self, opened: Any) -> Iterator[Shot]:
        stream = opened.streams.video[0]
        interval = 1 / float(stream.average_rate or 25)
        packets, reached, last = 0, 0.0, -interval
        start = (opened.start_time or 0) / self._av.time_base
        first = stream.start_time
        try:
            for packet in opened.demux():
                if packet.pts is not None and packet.time_base is not None:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    reached = max(reached, float(end) - start)
                if packet.stream is not stream:
                    continue
                packets += packet.size > 0
                for frame in packet.decode():
                    time = last + interval
                    if frame.pts is not None:
                        time = float((frame.pts - (first or 0)) * frame.time_base)
                    last = time
                    yield Shot(to_frame(frame), time, now())
        except (self._av.FFmpegError, OSError) as error:
            raise SqznetError(
                f"{self.name}: damaged after {last + interval:.1f} s: {reason_of(error)}"
            ) from None
        length = (opened.duration or 0) / self._av.time_base
        if packets < stream.frames or reached < length - MISSING:
            raise SqznetError(
                f"{self.name}: ends after {last + interval:.1f} s of {length:.1f} s, the file was "
                "cut short"
            )


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
