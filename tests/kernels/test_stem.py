"""The 7x7 stem of stride 2, by Winograd's algorithm."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sqznet import _kernels
from sqznet.network import reference

from ..support import kernel_cases as cases
from ..support.kernel_cases import Map

Array = Any


def allowed(x: Array, weight: Array, bias: Array, tile: int) -> Array:
    """Like a fire's 3x3 expand, each |x| being the largest that shares a tile: 18 pixels."""
    reach = 17
    largest = np.pad(np.abs(x), ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    for axis in (2, 3):
        windows = np.lib.stride_tricks.sliding_window_view(largest, 2 * reach + 1, axis=axis)
        largest = windows.max(axis=-1)
    magnitude = reference.conv2d(largest, np.abs(weight), np.abs(bias), stride=2)
    return cases.winograd_budget(cases.STEM_GROWTH[tile], weight[0].size + 1, magnitude)


def check_stem(
    table: _kernels.Float32Kernels,
    x: Array,
    weight: Array,
    bias: Array,
    *,
    threads: int = 1,
    borders: tuple[int, int] = (0, 0),
    at_end: bool = True,
) -> None:
    expected = reference.relu(reference.conv2d(x, weight, bias, stride=2))
    source = cases.filled(x, borders[0], at_end)
    target = Map(expected.shape, border=borders[1], at_end=at_end)
    layer = _kernels.Stem(table, cases.weights(weight, at_end), cases.weights(bias, at_end))
    cases.run_layer(layer, threads, source, target, at_end)
    source.check(x)
    cases.assert_close(target.nchw, expected, allowed(x, weight, bias, table.stem_tile))


@given(
    batch=cases.batches,
    cin=st.integers(1, 5),
    cout=cases.channels,
    height=st.integers(7, 40),
    width=st.integers(7, 40),
    threads=cases.threads,
    borders=st.tuples(cases.borders, cases.borders),
    at_end=cases.placements,
    x_kind=cases.kinds,
    w_kind=cases.kinds,
    seed=cases.seeds,
)
@cases.examples(80)
def test_stem(
    table: _kernels.Float32Kernels,
    batch: int,
    cin: int,
    cout: int,
    height: int,
    width: int,
    threads: int,
    borders: tuple[int, int],
    at_end: bool,
    x_kind: str,
    w_kind: str,
    seed: int,
) -> None:
    x = cases.values(seed, (batch, cin, height, width), x_kind)
    weight = cases.values(seed + 1, (cout, cin, 7, 7), w_kind)
    check_stem(
        table,
        x,
        weight,
        cases.values(seed + 2, (cout,)),
        threads=threads,
        borders=borders,
        at_end=at_end,
    )


@pytest.mark.parametrize("side", [224, 113])
def test_the_stem_of_the_real_network(table: _kernels.Float32Kernels, side: int) -> None:
    x = 128 * cases.values(1, (1, 3, side, side))
    check_stem(table, x, cases.values(2, (96, 3, 7, 7)), cases.values(3, (96,)), threads=2)


def test_every_tap_reaches_its_output(table: _kernels.Float32Kernels) -> None:
    """One bright pixel at a time picks one weight out."""
    weight = np.arange(1, 50, dtype=np.float32).reshape(1, 1, 7, 7)
    layer = _kernels.Stem(table, cases.weights(weight), cases.weights(np.zeros(1, np.float32)))
    for row, column in np.ndindex(9, 9):
        x = np.zeros((1, 1, 9, 9), np.float32)
        x[0, 0, row, column] = 1.0
        target = Map((1, 1, 2, 2))
        cases.run_layer(layer, 1, cases.filled(x), target)
        expected = reference.conv2d(x, weight, np.zeros(1), stride=2)
        np.testing.assert_allclose(target.nchw, expected, rtol=0, atol=1e-3)
