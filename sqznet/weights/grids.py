"""The grids of numbers to which the networks of some files round their activations."""

from __future__ import annotations

from typing import NamedTuple


class Quantization(NamedTuple):
    """A grid of numbers to which a file rounds its activations.

    A value becomes scale * (n - zero_point). n is the value divided by scale, rounded to the
    nearest integer (of two equally near, the even one), plus zero_point, and clipped to low..high.
    """

    scale: float
    zero_point: int
    low: int
    high: int


class DynamicQuantization(NamedTuple):
    """A grid that is made for each map of each photo, as by ONNX's DynamicQuantizeLinear.

    Its integers are low..high. The scale is the map's range, widened to contain 0, divided by their
    number minus 1; the zero point is low minus the range's start in steps, rounded.
    """

    low: int = 0
    high: int = 255
