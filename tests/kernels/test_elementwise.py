"""Addition of a bypass, and softmax."""

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


@given(data=st.data())
@cases.examples(120)
def test_add(table: _kernels.Float32Kernels, data: st.DataObject) -> None:
    shape = (
        data.draw(cases.batches),
        data.draw(cases.channels),
        data.draw(cases.sides),
        data.draw(cases.sides),
    )
    seed, at_end = data.draw(cases.seeds), data.draw(cases.placements)
    arrays = [cases.values(seed + i, shape, data.draw(cases.kinds)) for i in range(2)]
    a, b = (cases.filled(array, data.draw(cases.borders), at_end) for array in arrays)
    target = Map(shape, border=data.draw(cases.borders), at_end=at_end)
    pool = cases.POOLS[data.draw(cases.threads)]
    _kernels.add(table, pool, a.tensor, b.tensor, target.tensor)
    a.check(arrays[0])
    b.check(arrays[1])
    target.check()
    np.testing.assert_array_equal(target.nchw, arrays[0] + arrays[1])  # one rounding: exact


@pytest.mark.parametrize("channels", [1, 8, 13, 16])
def test_add_in_place(table: _kernels.Float32Kernels, channels: int) -> None:
    """As the executor does: the fire's output takes the bypass."""
    arrays = [cases.values(i, (2, channels, 3, 5)) for i in range(2)]
    a, b = (cases.filled(array, border=1) for array in arrays)
    _kernels.add(table, cases.POOLS[2], a.tensor, b.tensor, b.tensor)
    a.check(arrays[0])
    b.check(arrays[0] + arrays[1])


# exp(x - max) is taken by a polynomial of at most 2 ulp; rounding x - max, of magnitude up to 87,
# shifts the exponent by 87 u; then come a sum of `columns` terms and a division. Below e^-87 the
# kernel answers e^-87 or 0: an absolute error below the smallest normal number.
def softmax_budget(columns: int, expected: Array) -> Array:
    return (columns + 87 + 8) * cases.UNIT_ROUNDOFF * expected + 2.0**-125


def run_softmax(table: _kernels.Float32Kernels, x: Array, at_end: bool, in_place: bool) -> Array:
    rows, columns = x.shape
    source = cases.filled(x[:, :, None, None], at_end=at_end)
    target = source if in_place else Map((rows, columns, 1, 1), at_end=at_end)
    _kernels.softmax(table, source.tensor, target.tensor)
    if not in_place:
        source.check(x[:, :, None, None])
    target.check()
    return target.nchw[:, :, 0, 0]


def check_softmax(
    table: _kernels.Float32Kernels, x: Array, at_end: bool = True, in_place: bool = False
) -> None:
    found = run_softmax(table, x, at_end, in_place)
    expected = reference.softmax(x)
    cases.assert_close(found, expected, softmax_budget(x.shape[1], expected))
    assert (found >= 0).all()
    columns = x.shape[1]
    np.testing.assert_allclose(found.sum(axis=1, dtype=np.float64), 1.0, rtol=1e-7 * (columns + 4))


@given(
    rows=st.integers(1, 4),
    columns=st.one_of(cases.channels, st.sampled_from((999, 1000, 1001))),
    spread=st.sampled_from((1e-30, 1e-3, 1.0, 30.0, 100.0, 1e4, 1e30, 1.5e38)),
    at_end=cases.placements,
    in_place=st.booleans(),
    seed=cases.seeds,
)
@cases.examples(150)
def test_softmax(
    table: _kernels.Float32Kernels,
    rows: int,
    columns: int,
    spread: float,
    at_end: bool,
    in_place: bool,
    seed: int,
) -> None:
    x = cases.values(seed, (rows, columns)) * np.float32(spread)
    check_softmax(table, x, at_end, in_place)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e30, 3.4e38, -3.4e38, 1e-45])
@pytest.mark.parametrize("columns", [1, 2, 9, 1000])
def test_softmax_of_equal_values(
    table: _kernels.Float32Kernels, value: float, columns: int
) -> None:
    x = np.full((2, columns), value, np.float32)
    check_softmax(table, x)
    assert len(np.unique(run_softmax(table, x, at_end=False, in_place=False))) == 1


def test_softmax_spans_the_whole_range_of_float32(table: _kernels.Float32Kernels) -> None:
    check_softmax(table, np.array([[-3.4e38, 3.4e38, 0.0]], np.float32))
    steps = np.arange(0, -200, -0.25, dtype=np.float32)
    check_softmax(table, steps[None])
    check_softmax(table, steps[None, ::-1].copy())


def test_softmax_keeps_the_order_of_its_input(table: _kernels.Float32Kernels) -> None:
    x = np.sort(cases.values(1, (1, 1000)) * np.float32(10), axis=1)
    assert (np.diff(run_softmax(table, x, at_end=True, in_place=True)[0]) >= 0).all()
