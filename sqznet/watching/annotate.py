"""Draws what was seen into frames, and writes such frames as a video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sqznet.errors import SqznetError, printable, reason_of
from sqznet.files.part_file import PartFile
from sqznet.insight.labeling import labeled
from sqznet.insight.painting import elided, length, write
from sqznet.watching.video import pyav

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from sqznet.watching.loop import Sighting
    from sqznet.watching.objects import Scene
    from sqznet.watching.zones import Zone

#: FFmpeg's format name for each allowed suffix of a video.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi"}

# Time stamps count ticks of 1 / _TICKS seconds. MPEG-4 simple profile allows at most 65535.
_TICKS = 10_000

_LEAST_TEXT = 10  # pixels


def annotated(sighting: Sighting) -> Image.Image:
    """The frame with the label, its score and a score bar at the bottom, unless the sighting is not
    sure."""
    shown = [sighting.shown] if sighting.sure else []
    return labeled(sighting.picture.to_rgb(), shown, sighting.activation)


def boxed(scene: Scene, zones: Sequence[Zone] = ()) -> Image.Image:
    """The frame with the lines and areas, and boxes with names such as "person 3" around what is
    seen."""
    from PIL import Image

    from sqznet.detection.drawing import draw

    picture = Image.fromarray(scene.picture.to_rgb())
    for zone in zones:
        _outline(picture, zone)
    tracks = scene.seen
    return draw(picture, [track.detection for track in tracks], [track.name for track in tracks])


def _outline(picture: Image.Image, zone: Zone) -> None:
    """Draws a line or the edges of an area, white on black, and its name."""
    from PIL import ImageDraw

    width, height = picture.size
    points = zone.points(width, height)
    size = max(_LEAST_TEXT, min(width, height) // 30)
    thick = max(1, size // 8)
    pen = ImageDraw.Draw(picture)
    closed = points if zone.is_line else [*points, points[0], points[1]]
    for line, color in ((thick + 2, "black"), (thick, "white")):
        pen.line(closed, color, line, joint="curve")
    text = elided(zone.name, size, width // 2)
    x, y = min(points)
    at = round(min(x + size / 2, width - length(text, size))), round(min(y, height - 1.5 * size))
    for across, down, color in (
        (-1, 0, "black"),
        (1, 0, "black"),
        (0, 1, "black"),
        (0, 0, "white"),
    ):
        write(pen, (at[0] + across, at[1] + down), text, size, color)


class AnnotatedVideo:
    """Writes a video to a temporary file and moves it into place once it is complete.

    path: ends in one of `CONTAINERS`; an existing file is replaced. All frames get the size of the
    first, rounded to even numbers. Use it as a context manager: it completes the video even if the
    block raises, unless writing itself failed or there was no frame. Then it leaves no file. Raises
    SqznetError for another suffix or without PyAV, and OSError (with `path` as its file) if it
    cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._av = pyav()
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in CONTAINERS:
            raise SqznetError(
                f"{printable(path)}: expected a name that ends in {', '.join(CONTAINERS)}"
            )
        self._path = path
        try:
            self._part = PartFile(path)
            self._part.create()
            self._file = open(self._part.path, "rb+")  # noqa: SIM115
        except OSError as error:
            raise self._named(error) from None
        self._output: Any = self._av.open(self._file, "w", format=CONTAINERS[suffix])
        self._stream: Any = None
        self._last = -1
        self._failed = self._closed = False

    def __enter__(self) -> AnnotatedVideo:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Completes the video; a second time it does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._failed or self._stream is None:
            self._discard()
        else:
            self._complete()

    def add(self, picture: Image.Image, time: float) -> None:
        """Writes one frame at its own time in seconds. Raises OSError, for instance if the disk is
        full."""
        import numpy as np

        try:
            self._write(np.asarray(picture), time)
        except (self._av.FFmpegError, OSError) as error:
            self._failed = True
            raise self._named(error) from None

    def _write(self, rgb: npt.NDArray[np.uint8], time: float) -> None:
        if self._stream is None:
            self._stream = self._new_stream(*rgb.shape[:2])
        frame = self._av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
        self._last = frame.pts = max(self._last + 1, round(time * _TICKS))
        frame.time_base = Fraction(1, _TICKS)
        self._output.mux(self._stream.encode(frame))

    def _new_stream(self, height: int, width: int) -> Any:
        known = self._av.codecs_available
        codec = "libx264" if "libx264" in known else "mpeg4"
        stream = self._output.add_stream(codec, rate=25)
        stream.height, stream.width = max(2, height // 2 * 2), max(2, width // 2 * 2)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        if codec == "libx264":
            stream.options = {"crf": "21", "preset": "veryfast"}
        else:
            stream.bit_rate = 4_000_000
        return stream

    def _complete(self) -> None:
        try:
            self._output.mux(self._stream.encode(None))
            self._output.close()
            self._file.close()
            self._part.commit()
        except (self._av.FFmpegError, OSError) as error:
            self._discard()
            raise self._named(error) from None
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        # After a failure, closing may fail again; the first error has already been reported.
        for close in (self._output.close, self._file.close):
            with suppress(OSError, self._av.FFmpegError):
                close()
        self._part.discard()

    def _named(self, error: Any) -> OSError:
        """The same error, naming the output file."""
        return OSError(error.errno, reason_of(error), self._path)
