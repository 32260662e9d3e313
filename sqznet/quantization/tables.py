"""Rounding of bytes to bytes as tables of 256 entries. Without NumPy."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

from sqznet.quantization.description import Grid, Integers

#: The table that changes nothing.
SAME = bytes(range(256))


def rounding_table(scale: float, grids: Iterable[Grid]) -> bytes:
    """What becomes of each byte of a map whose unit is ``scale``, a float32, when its values are
    rounded to these grids, one after the other. Its unit then is the scale of the last one."""
    table: Sequence[int] = SAME
    for grid in grids:
        # float64 products and quotients of two float32, rounded to float32, are the float32 ones.
        values = array("f", (n * scale for n in table))
        steps = array("f", (value / grid.scale for value in values))
        table = [round(min(max(step, grid.lowest), grid.highest)) for step in steps]
        scale = grid.scale
    return bytes(table)


def input_tables(integers: Integers, mean: Sequence[float], std: Sequence[float]) -> list[bytes]:
    """What becomes of the gray levels of each channel, normalized with this mean and deviation,
    when they are rounded to the numbers of a file whose integers have ``limits``."""
    assert integers.limits is not None
    lowest, highest = integers.limits
    tables = []
    for channel in range(3):
        zero, scale = round(integers.mean[channel]), array("f", [1 / integers.std[channel]])[0]
        center, factor = array("f", [mean[channel], 1 / std[channel]])
        shifted = array("f", (level - center for level in range(256)))
        normalized = array("f", (value * factor for value in shifted))
        steps = array("f", (value / scale for value in normalized))
        low, high = lowest - zero, highest - zero
        tables.append(bytes(round(min(max(step, low), high)) + zero for step in steps))
    return tables
