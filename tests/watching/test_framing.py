"""Turned frames and regions of interest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import Frame, SqznetError
from sqznet.watching.framing import Framing

from ..support.watching import Levels

#: Each pixel has its own level: 2 rows of 3 columns.
PIXELS = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)


def framed(**options: Any) -> list[list[int]]:
    picture = Framing(**options)(Frame.wrap(PIXELS))
    levels: list[list[int]] = picture.to_rgb()[:, :, 0].tolist()
    assert (picture.height, picture.width) == (len(levels), len(levels[0]))
    return levels


def test_frames_are_turned_clockwise() -> None:
    assert framed() == [[0, 1, 2], [3, 4, 5]]
    assert framed(rotate=90) == [[3, 0], [4, 1], [5, 2]]
    assert framed(rotate=180) == [[5, 4, 3], [2, 1, 0]]
    assert framed(rotate=270) == [[2, 5], [1, 4], [0, 3]]


@pytest.mark.parametrize(
    ("roi", "levels"),
    [
        ((1, 0, 2, 2), [[1, 2], [4, 5]]),
        ((2, 1, 9, 9), [[5]]),  # what is outside is cut off
        ((0, 0, 1, 1), [[0, 1, 2], [3, 4, 5]]),  # shares
        ((0, 0.5, 1, 0.5), [[3, 4, 5]]),
        ((0.34, 0, 0.33, 0.5), [[1]]),
    ],
)
def test_regions(roi: tuple[float, ...], levels: list[list[int]]) -> None:
    assert framed(roi=roi) == levels


def test_a_region_is_one_of_the_turned_frame() -> None:
    assert framed(rotate=90, roi=(0, 1, 2, 2)) == [[4, 1], [5, 2]]


def test_the_whole_frame_is_not_copied() -> None:
    frame = Frame.wrap(PIXELS)
    assert Framing()(frame) is frame


@pytest.mark.parametrize("rotate", [45, 360, -90, True, "90", None])
def test_other_turns_are_refused(rotate: Any) -> None:
    with pytest.raises(SqznetError, match="expected one of 0, 90, 180, 270"):
        Framing(rotate)


@pytest.mark.parametrize(
    "roi",
    [
        (),
        (1, 2, 3),
        (0, 0, 0, 5),
        (-1, 0, 5, 5),
        (0, 0, float("nan"), 1),
        (0.5, 0, 9, 9),
        7,
        "abcd",
    ],
)
def test_other_regions_are_refused(roi: Any) -> None:
    with pytest.raises(SqznetError, match=r"roi is .*, expected x, y, width and height"):
        Framing(0, roi)


@pytest.mark.parametrize("roi", [(3, 0, 1, 2), (0, 2, 9, 9), (0.1, 0.1, 0.01, 0.5)])
def test_a_region_without_a_pixel_is_an_error(roi: Any) -> None:
    with pytest.raises(SqznetError, match="is outside of the frame of 3 x 2 pixels"):
        framed(roi=roi)


def test_watch_sees_only_the_region() -> None:
    (sighting,) = sqznet.watch([PIXELS], model=Levels(), rotate=180, roi=(1, 0, 2, 1), smoothing=0)
    assert sighting.shown.label == "level 4"
    assert sighting.picture.to_rgb()[:, :, 0].tolist() == [[4, 3]]
    with pytest.raises(SqznetError, match="rotate is 1"):
        sqznet.watch([PIXELS], rotate=1)
    with pytest.raises(SqznetError, match="min_score is nan"):
        sqznet.watch([PIXELS], min_score=float("nan"))
