"""Rounding of bytes to bytes."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from sqznet.quantization.description import Grid, Integers
from sqznet.quantization.reference import rounded
from sqznet.quantization.tables import SAME, input_tables, rounding_table


@pytest.mark.parametrize(
    "grids",
    [
        [Grid(0.75, 0, 255)],
        [Grid(0.25, 0, 127)],
        [Grid(0.3, 0, 200), Grid(0.1, 0, 255)],
        [Grid(1e-30, 0, 255), Grid(1e30, 0, 255)],
    ],
)
def test_a_table_is_the_rounding_of_values(grids: list[Grid]) -> None:
    grids = [grid._replace(scale=array("f", [grid.scale])[0]) for grid in grids]
    values = np.arange(256, dtype=np.float32) * np.float32(0.25)
    for grid in grids:
        values = rounded(values, grid)
    table = np.frombuffer(rounding_table(0.25, grids), np.uint8)
    np.testing.assert_array_equal(table * np.float32(grids[-1].scale), values)


def test_the_same_grid_changes_nothing() -> None:
    assert rounding_table(0.3, [Grid(0.3, 0, 255)]) == SAME
    assert rounding_table(0.3, []) == SAME


def test_the_input_of_each_channel_is_normalized_then_rounded() -> None:
    mean, std, step = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 0.02
    own = Integers((114.0,) * 3, (1 / step,) * 3, {}, {}, limits=(3, 240))
    levels = np.arange(256, dtype=np.float32)
    for channel, table in enumerate(input_tables(own, mean, std)):
        values = (levels - np.float32(mean[channel])) * np.float32(1 / std[channel])
        expected = np.clip(np.rint(values / np.float32(step)) + 114, 3, 240)
        np.testing.assert_array_equal(np.frombuffer(table, np.uint8), expected)


def test_gray_levels_stay_what_they_are() -> None:
    own = Integers((0.0,) * 3, (1.0,) * 3, {}, {}, limits=(0, 255))
    assert input_tables(own, (1e-15,) * 3, (1.0,) * 3) == [SAME] * 3
