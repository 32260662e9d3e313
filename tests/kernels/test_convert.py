"""What lies between files or callers and the kernels: conversions, transpositions, top-k."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sqznet import _kernels

from ..support import int8_cases
from ..support import kernel_cases as cases
from ..support.guarded import Guarded
from ..support.kernel_cases import Map

Array = Any

POOL = _kernels.ThreadPool(2)


def converted(data: bytes, dtype: str, count: int) -> Array:
    tensor = _kernels.Tensor.from_bytes(data, dtype, (count, 1, 1, 1))
    return np.asarray(tensor).ravel().copy()


def assert_same_bits(found: Array, expected: Array) -> None:
    """Bit by bit, but for NaN, whose payload may change."""
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    np.testing.assert_array_equal(found[~nan].view(np.uint32), expected[~nan].view(np.uint32))


def test_every_half_precision_number() -> None:
    patterns = np.arange(65536, dtype="<u2")
    found = converted(patterns.tobytes(), "float16", 65536)
    with np.errstate(invalid="ignore"):  # some processors note that a NaN was widened
        expected = patterns.view(np.float16).astype(np.float32)
    assert_same_bits(found, expected)


def test_every_bfloat16_number() -> None:
    patterns = np.arange(65536, dtype="<u2")
    found = converted(patterns.tobytes(), "bfloat16", 65536)
    assert_same_bits(found, (patterns.astype(np.uint32) << 16).view(np.float32))


def test_single_precision_is_copied_bit_by_bit() -> None:
    x = np.array([0.0, -0.0, 1e-45, -1e-45, 1.5, 3.4e38, np.inf, -np.inf], "<f4")
    assert converted(x.tobytes(), "float32", x.size).tobytes() == x.tobytes()


def test_double_precision_is_rounded_to_nearest() -> None:
    tie = 1.0 + 2.0**-24
    x = np.array([0.1, -1 / 3, 1e300, -1e300, 1e-46, 2e-45, tie, tie + 2**-40, np.inf], "<f8")
    with np.errstate(over="ignore"):
        assert_same_bits(converted(x.tobytes(), "float64", x.size), x.astype(np.float32))
    assert np.isnan(converted(np.array([np.nan]).tobytes(), "float64", 1)[0])


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize(
    ("dtype", "width"), [("float16", 2), ("bfloat16", 2), ("float32", 4), ("float64", 8)]
)
def test_conversions_read_no_further_than_their_data(dtype: str, width: int, size: int) -> None:
    """From an odd address, as a mapped file may give, and flush against the page's end."""
    for at_end in (True, False):
        memory = Guarded(-(-(size * width) // 4) + 1, at_end)
        octets = memory.array.view(np.uint8)
        flush = octets[octets.size - size * width :]
        odd = octets[1 : 1 + size * width]
        for window in (flush, odd):
            window[:] = 0
            assert not converted(memoryview(window), dtype, size).any()


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 9), st.integers(1, 9)),
    steps=st.tuples(*[st.sampled_from((-3, -2, -1, 1, 2))] * 4),
    axes=st.permutations(range(4)),
    border=cases.borders,
    at_end=cases.placements,
    seed=cases.seeds,
)
@cases.examples(150)
def test_import_of_any_strides(
    shape: tuple[int, int, int, int],
    steps: tuple[int, ...],
    axes: list[int],
    border: int,
    at_end: bool,
    seed: int,
) -> None:
    stored = [abs(step) * (size - 1) + 1 for step, size in zip(steps, shape, strict=True)]
    memory = Guarded(int(np.prod(stored)), at_end)
    permuted = memory.array.reshape([stored[axis] for axis in axes])
    x = permuted.transpose(np.argsort(axes))[tuple(slice(None, None, step) for step in steps)]
    x[...] = cases.values(seed, shape)
    target = Map(shape, border=border, at_end=at_end)
    assert _kernels.import_nchw(POOL, x, target.tensor) == np.abs(x).max()
    target.check()
    np.testing.assert_array_equal(target.nchw, x)


def test_import_of_a_broadcast_array() -> None:
    x = np.broadcast_to(np.float32(2.5), (2, 3, 4, 5))
    target = Map((2, 3, 4, 5))
    assert _kernels.import_nchw(POOL, x, target.tensor) == 2.5
    assert (target.nchw == 2.5).all()


@pytest.mark.parametrize("step", [1, 2])
def test_gray_levels_of_normalized_values(int8_table: _kernels.Int8Kernels, step: int) -> None:
    shape, mean, unit = (2, 3, 5, 150), (103.5, 0.0, -1.0), (1.0, 2.0, 1 / 60)
    levels = np.random.default_rng(0).integers(-60, 600, shape).astype(np.float32) / 2
    x = np.zeros((*shape[:3], shape[3] * step), np.float32)[..., ::step]
    x[...] = (levels - np.reshape(mean, (3, 1, 1))) * np.reshape(unit, (3, 1, 1))
    scaled = x / np.array(unit, np.float32)[:, None, None]
    # Halves go to the even level, or to the even number before an integer mean is added.
    rest, whole = (np.reshape(part, (3, 1, 1)) for part in ([1.5, 0, 0], [102, 0, -1]))
    rounded = np.rint(scaled + rest.astype(np.float32)) + whole
    expected = np.clip(rounded, 0, 255).astype(np.uint8)
    y = int8_cases.ByteMap((2, 5, 150, 3))
    largest = _kernels.import_nchw_levels(int8_table, POOL, x, y.tensor, mean, unit)
    assert largest == 0
    y.check()
    np.testing.assert_array_equal(y.array, expected.transpose(0, 2, 3, 1))
    x[1, 2, 4, 149] = np.nan
    assert _kernels.import_nchw_levels(int8_table, POOL, x, y.tensor, mean, unit) == np.inf
    x[1, 2, 4, 149] = 0
    _kernels.import_nchw_levels(int8_table, POOL, x, y.tensor, mean, unit, (3, 200))
    np.testing.assert_array_equal(y.array[0], np.clip(expected[0], 3, 200).transpose(1, 2, 0))
    for limits in ((4, 3), (-1, 5), (0, 256)):
        with pytest.raises(ValueError, match="limits must be bytes in order"):
            _kernels.import_nchw_levels(int8_table, POOL, x, y.tensor, mean, unit, limits)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_import_says_where_a_value_is_not_finite(value: float) -> None:
    for place in np.ndindex(2, 3, 3, 3):
        x = np.full((2, 3, 3, 3), -3.4e38, np.float32)
        assert _kernels.import_nchw(POOL, x, Map(x.shape).tensor) == np.float32(3.4e38)
        x[place] = value
        assert _kernels.import_nchw(POOL, x, Map(x.shape).tensor) == np.inf
        flat = _kernels.Tensor.over(x, x.shape)
        assert not flat.is_finite()


@given(
    shape=st.tuples(st.integers(1, 3), cases.channels, st.integers(1, 9), st.integers(1, 9)),
    border=cases.borders,
    at_end=cases.placements,
    seed=cases.seeds,
)
@cases.examples(80)
def test_export(shape: tuple[int, int, int, int], border: int, at_end: bool, seed: int) -> None:
    x = cases.values(seed, shape)
    source = cases.filled(x, border, at_end)
    memory = Guarded(x.size, at_end)
    _kernels.export_nchw(source.tensor, _kernels.Tensor.over(memory.array, shape))
    source.check(x)
    memory.check()
    np.testing.assert_array_equal(memory.array.reshape(shape), x)


@given(
    count=st.integers(1, 200),
    levels=st.integers(1, 12),
    k=st.integers(-2, 220),
    seed=cases.seeds,
)
@cases.examples(150)
def test_top_k(count: int, levels: int, k: int, seed: int) -> None:
    """Largest first, the lower index first among equals, never more than there are."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, levels, (2, count)).astype(np.float32)
    tensor = cases.filled(x[:, :, None, None]).tensor
    for row in range(2):
        order = sorted(range(count), key=lambda i: (-x[row, i], i))[: max(k, 0)]
        assert tensor.top_k(row, k) == [(i, float(x[row, i])) for i in order]
