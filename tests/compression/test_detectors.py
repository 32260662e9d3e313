"""Detectors, compressed with a few photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.boxes import Box, Detection
from sqznet.compression.compressing import steps
from sqznet.compression.things import Found, Things

from ..support import detectors
from ..support.quantizable import some_photos


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> sqznet.Detector:
    path = detectors.save(tmp_path_factory.mktemp("detector") / "detector.safetensors")
    return sqznet.load_detector(path, threads=1)


@pytest.fixture(scope="module")
def small(detector: sqznet.Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    counted: list[None] = []
    made = sqznet.compress(detector, some_photos(8), advance=lambda: counted.append(None))
    assert len(counted) <= steps(detector, 8)
    assert (made.calibrated, made.judged, made.top1) == (6, 2, None)
    assert 0 < made.divergence < 1
    assert made.agreement > 0.9
    path = tmp_path_factory.mktemp("small") / "detector.sqz"
    made.save(path)
    return path


def test_it_finds_almost_the_same(detector: sqznet.Detector, small: Path) -> None:
    again = sqznet.load_detector(small, threads=1)
    assert again.design == detector.design
    assert (again.labels, again.size) == (detector.labels, detector.size)
    answers = Things(detector)
    photos = [detector.preprocess(photo) for photo in some_photos(3)]
    expected, found = answers.of(photos), answers.of(photos, weights.read(small))
    for one, other in zip(expected, found, strict=True):
        assert np.abs(one.maps - other.maps).max() < 0.2 * np.abs(one.maps).max()


def test_it_becomes_another_file(small: Path, tmp_path: Path) -> None:
    target = tmp_path / "floats.safetensors"
    sqznet.convert(small, target)
    one, other = (sqznet.load_detector(path, threads=1) for path in (small, target))
    photo = some_photos(1)[0]
    assert one.detect(photo, 0.01) == other.detect(photo, 0.01)


def test_a_path_is_compressed_as_well(detector: sqznet.Detector, tmp_path: Path) -> None:
    photos = some_photos(4)
    path = detectors.save(tmp_path / "detector.safetensors")
    made = sqznet.compress(path, photos, size=8000)
    assert 7900 < len(made.content) <= 8000


def test_how_answers_are_compared(detector: sqznet.Detector) -> None:
    answers = Things(detector)
    places = np.zeros((2, len(detector.labels) + 4), np.float32)
    dog = Detection("ant", 0.9, 0, Box(0, 0, 0.5, 0.5, "ant", 0.9))
    moved = dog._replace(box=Box(0, 0, 0.5, 0.3, "ant", 0.9))
    missed = dog._replace(box=Box(0.5, 0.5, 1, 1, "ant", 0.9))
    bee = dog._replace(label="bee", index=1)
    for box, agreement in ((dog, 1), (moved, 1), (missed, 0), (bee, 0)):
        one, other = Found(places, [dog]), Found(places, [box])
        assert answers.compared([one], [other]) == (agreement, 0.0, None)
    nothing = Found(places, [])
    assert answers.compared([nothing], [nothing]) == (1.0, 0.0, None)
    assert answers.compared([nothing], [Found(places, [dog])]).agreement == 0

    # One class becomes certain: log 2. One side moves by a deviation: half of p = 0.5.
    sure = places.copy()
    sure[0, 0] = 50.0
    assert answers.compared([Found(sure, [])], [nothing]).divergence == pytest.approx(np.log(2))
    wide = places.copy()
    wide[1, -1] = 0.2
    assert answers.compared([nothing], [Found(wide, [])]).divergence == pytest.approx(0.25)
    # Beyond the limit, sides are the same.
    far, further = (np.where(np.arange(7) > 2, places + side, places) for side in (4.0, 9.0))
    assert answers.compared([Found(far, [])], [Found(further, [])]).divergence == 0.0


def test_gradients_are_those_of_the_drawn_answers(detector: sqznet.Detector) -> None:
    """The mean of squared gradients is the curvature: p (1 - p), and p / deviation**2."""
    maps = np.zeros((1, 200, 200, len(detector.labels) + 4), np.float32)
    maps[..., 0] = 1.0
    outputs = dict.fromkeys(detector.executor.network.outputs, maps)
    random = np.random.default_rng(0)
    for found in Things(detector).gradients(outputs, random).values():
        p = 1 / (1 + np.exp(-1.0))
        squares = np.square(found).mean(axis=(0, 1, 2))
        expected = [p * (1 - p), 0.25, 0.25, *[p / 0.2**2] * 4]
        assert squares == pytest.approx(expected, rel=0.05)
        assert np.abs(found.mean(axis=(0, 1, 2))).max() < 0.1
