"""What lies where on a photo: the answers of heat maps and of detectors."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A place on a photo: columns x0 to x1 and rows y0 to y1 of the upright photo, end excluded, in
    pixels; the name of the class there; its score, as in `Prediction`.

    Those of `localize` are whole pixels; those of a detector have fractions.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    label: str
    score: float


class Detection(NamedTuple):
    """One thing on a photo: the name of its class, its score in 0..1, the index of the class, and
    its place, which has the same label and score."""

    label: str
    score: float
    index: int  # type: ignore[assignment]  # hides tuple.index, which is not needed here
    box: Box
