"""Decoding and non-maximum suppression against the float64 reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sqznet import _kernels
from sqznet.network import reference

from ..support.detectors import DESIGN

Array = Any

SIZE = (96, 128)
CLASSES = 3
SHAPES = ((7, 9), (3, 4), (1, 2))


def maps(seed: int, rows: int = 1, mean: float = -2.0) -> list[Array]:
    """Of each level, (N, H, W, classes + 4)."""
    rng = np.random.default_rng(seed)
    made = [rng.normal(0, 1.5, (rows, *shape, CLASSES + 4)) for shape in SHAPES]
    for level in made:
        level[..., :CLASSES] += mean
    return [level.astype(np.float32) for level in made]


def found(
    levels: list[Array], thresholds: list[float], row: int = 0, most: int = 100, **changes: Any
) -> list[tuple[int, float, float, float, float, float]]:
    design = DESIGN._replace(**changes)
    operands = [
        (_kernels.Tensor.over(values, values.shape), float(level.stride), level.offset + 0.5)
        for values, level in zip(levels, design.levels, strict=True)
    ]
    rules = design.limit, design.iou, design.candidates, most
    return _kernels.boxes(operands, row, thresholds, SIZE, *rules)


def expected(
    levels: list[Array], thresholds: list[float], row: int = 0, most: int = 100, **changes: Any
) -> list[Any]:
    chosen = [level[row].astype(np.float64).transpose(2, 0, 1) for level in levels]
    return reference.boxes(DESIGN._replace(**changes), chosen, SIZE, thresholds, most)


def assert_same(left: list[Any], right: list[Any]) -> None:
    assert [index for index, *_ in left] == [index for index, *_ in right]
    for (_, score, *sides), (_, wanted, box) in zip(left, right, strict=True):
        assert score == pytest.approx(wanted, abs=1e-12)
        assert np.abs(np.array(sides) - box).max() * max(SIZE) < 0.01


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.01, 0.2, 0.6])
def test_random_maps(seed: int, threshold: float) -> None:
    levels = maps(seed)
    assert_same(found(levels, [threshold] * CLASSES), expected(levels, [threshold] * CLASSES))


def test_each_row_and_class_has_its_own() -> None:
    levels = maps(20, rows=3)
    for row in range(3):
        for thresholds in ([0.1, 0.5, 1.0], [1.0, 0.0, 0.7]):
            assert_same(found(levels, thresholds, row), expected(levels, thresholds, row))


@pytest.mark.parametrize("changes", [{"candidates": 7}, {"iou": 0.1}, {"iou": 0.95}, {"limit": 1}])
def test_the_rules(changes: dict[str, Any]) -> None:
    levels = maps(21)
    answer = found(levels, [0.05] * CLASSES, **changes)
    assert_same(answer, expected(levels, [0.05] * CLASSES, **changes))
    assert answer != found(levels, [0.05] * CLASSES)


def test_the_most() -> None:
    levels = maps(22)
    everything = found(levels, [0.01] * CLASSES)
    assert len(everything) > 10
    assert found(levels, [0.01] * CLASSES, most=4) == everything[:4]


def test_thresholds_are_exact() -> None:
    """A score that equals the threshold counts; the next higher threshold leaves it out."""
    levels = maps(23)
    scores = [score for _, score, *_ in found(levels, [0.02] * CLASSES)]
    for score in scores[:5]:
        assert scores[0] >= score in [s for _, s, *_ in found(levels, [score] * CLASSES)]
        higher = math.nextafter(score, 1)
        assert score not in [s for _, s, *_ in found(levels, [higher] * CLASSES)]


def test_the_ends_of_the_range() -> None:
    levels = maps(24)
    levels[0][0, 2, 3, 1] = 60.0  # its score is rounded to 1
    ((index, score, *_),) = found(levels, [1.0] * CLASSES)
    assert (index, score) == (1, 1.0)
    levels[0][..., :CLASSES] = -1e30
    levels[1][..., :CLASSES] = levels[2][..., :CLASSES] = -200
    assert found(levels, [1e-30] * CLASSES) == []
    assert {score < 1e-80 for _, score, *_ in found(levels, [0.0] * CLASSES)} == {True}


def test_equal_scores_keep_their_order() -> None:
    levels = maps(25)
    for level in levels:
        level[..., :CLASSES] = -9
        level[..., CLASSES:] = -4  # far apart, so that all are kept
    places = [(0, 3, 4, 2), (0, 3, 5, 0), (0, 3, 5, 1), (0, 6, 1, 0), (1, 2, 2, 2), (2, 0, 0, 0)]
    for level, row, column, index in places:
        levels[level][0, row, column, index] = 0.5
    answer = found(levels, [0.5] * CLASSES)
    assert [index for index, *_ in answer] == [index for *_, index in places]
    x = [1.0 * (a + b) / 2 * SIZE[1] for _, _, a, _, b, _ in answer]
    assert x == pytest.approx([40, 48, 48, 16, 48, 32])


def test_boxes_end_at_the_edge() -> None:
    levels = maps(26)
    for level in levels:
        level[..., CLASSES:] = 100  # the limit, e^4 strides, is beyond every edge
    for _, _, *sides in found(levels, [0.3] * CLASSES):
        assert sides == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("channel", [1, CLASSES + 2])
def test_what_is_not_finite_is_an_error(value: float, channel: int) -> None:
    levels = maps(27)
    levels[1][0, 1, 1, :CLASSES] = 3
    levels[1][0, 1, 1, channel] = value
    if value == math.inf and channel > CLASSES:
        assert found(levels, [0.5] * CLASSES)  # a side at its limit
        return
    with pytest.raises(ValueError, match=r"not finite|not a number"):
        found(levels, [0.5] * CLASSES)


def test_bad_arguments() -> None:
    levels = maps(28)
    for bad in ({"thresholds": [0.5] * 4}, {"row": 1}, {"row": -1}, {"most": 0}):
        with pytest.raises(ValueError, match=r"shape|image|positive"):
            found(levels, **{"thresholds": [0.5] * CLASSES, **bad})
