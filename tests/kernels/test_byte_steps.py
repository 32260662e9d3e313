"""Rounding of bytes by tables, the mean of bytes, and the rounding of floats."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sqznet import _kernels
from sqznet.quantization import reference
from sqznet.quantization.description import Grid
from sqznet.quantization.tables import rounding_table

from ..support import int8_cases as cases
from ..support.int8_cases import ByteMap
from ..support.kernel_cases import POOLS

Array = Any


def tensor(array: Array) -> _kernels.Tensor:
    return _kernels.Tensor.over(array, (*array.shape, 1, 1, 1)[:4], str(array.dtype))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("border", [0, 1])
def test_recode(threads: int, by_channel: bool, border: int) -> None:
    values = cases.levels(1, (2, 5, 7, 6))
    tables = np.random.default_rng(2).integers(0, 256, (6 if by_channel else 1, 256), np.uint8)
    x, y = ByteMap(values.shape, values), ByteMap((2, 5 + 2 * border, 7 + 2 * border, 6))
    _kernels.recode(POOLS[threads], x.tensor, tensor(tables), y.tensor)
    expected = tables[np.arange(6) if by_channel else np.zeros(6, int), values]
    pads = ((0, 0), (border, border), (border, border), (0, 0))
    np.testing.assert_array_equal(y.array, np.pad(expected, pads))
    x.check()
    y.check()


@pytest.mark.parametrize("ratio", [0.003, 0.31, 0.5, 0.7394, 0.99, 1.0, 1.3, 4.0, 300.0])
@pytest.mark.parametrize("highest", [1, 127, 255])
def test_tables_that_can_be_computed(ratio: float, highest: int) -> None:
    """All bytes, in chunks of 16 and in the rest of a pixel."""
    table = rounding_table(1.0, [Grid(float(np.float32(1 / ratio)), 0, highest)])
    values = np.arange(256, dtype=np.uint8).repeat(37).reshape(1, 2, -1, 37)
    x, y = ByteMap(values.shape, values), ByteMap(values.shape)
    entries = np.frombuffer(bytearray(table), np.uint8).reshape(1, 256)
    _kernels.recode(POOLS[2], x.tensor, tensor(entries), y.tensor)
    np.testing.assert_array_equal(y.array, entries[0, values])
    x.check()
    y.check()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_random_tables_that_never_fall(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    most = data.draw(st.integers(0, 255))
    table = np.sort(np.clip(rng.normal(most / 2, 60, (1, 256)), 0, most)).astype(np.uint8)
    table[0, 0] = 0
    values = np.arange(256, dtype=np.uint8).reshape(1, 4, 4, 16)
    x, y = ByteMap(values.shape, values), ByteMap(values.shape)
    _kernels.recode(POOLS[1], x.tensor, tensor(table), y.tensor)
    np.testing.assert_array_equal(y.array, table[0, values])


def test_a_bound_step_keeps_its_table() -> None:
    values = cases.levels(3, (1, 4, 4, 16))
    x, y = ByteMap(values.shape, values), ByteMap(values.shape)
    table = np.random.default_rng(5).integers(0, 256, (1, 256), np.uint8)
    step = _kernels.bind_recode(POOLS[1], x.tensor, tensor(table.copy()), y.tensor)
    others = [np.zeros((1, 256), np.uint8) for _ in range(50)]
    step()
    assert len(others) == 50
    np.testing.assert_array_equal(y.array, table[0, values])


def test_recode_of_some_channels_in_place() -> None:
    values = cases.levels(3, (1, 4, 3, 9))
    table = np.random.default_rng(4).integers(0, 256, (1, 256), np.uint8)
    x = ByteMap(values.shape)
    x.array[...] = values
    part = x.tensor.channels(2, 5)
    _kernels.recode(POOLS[1], part, tensor(table), part)
    values[..., 2:7] = table[0, values[..., 2:7]]
    np.testing.assert_array_equal(x.array, values)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(1, 13, 13, 130), (3, 1, 1, 5), (2, 4, 9, 64)])
def test_mean_u8(threads: int, shape: tuple[int, ...]) -> None:
    values, channels = cases.levels(5, shape), shape[3]
    rng = np.random.default_rng(6)
    scale = rng.uniform(0.001, 3, channels).astype(np.float32)
    edge = rng.integers(0, 256, channels, np.uint8)
    for border in (0, 7):
        y = np.empty((shape[0], 1, 1, channels), np.float32)
        x = ByteMap(shape, values)
        _kernels.mean_u8(POOLS[threads], x.tensor, tensor(edge), border, tensor(scale), tensor(y))
        flat = values.reshape(shape[0], 1, -1, channels)
        around = np.broadcast_to(edge, (shape[0], 1, border, channels))
        expected = reference.mean(np.concatenate([flat, around], axis=2), scale)
        np.testing.assert_array_equal(y[:, 0, 0], expected)
        x.check()


def test_round_to() -> None:
    x = np.array([0.25, 0.75, -0.25, -0.75, 1e30, -1e30, 0.26, np.inf], np.float32)
    grid = Grid(0.5, -125, 130)
    expected = reference.rounded(x, grid)
    _kernels.round_to(tensor(x), *grid)
    assert x.tolist() == [0.0, 1.0, 0.0, -1.0, 65.0, -62.5, 0.5, 65.0] == expected.tolist()
    # An integer has no negative zero, which some processors' libraries keep and others lose.
    assert not np.signbit(x[2])
    assert not np.signbit(expected[2])


BAD: dict[str, Any] = {
    "a table of 255": lambda x, y: (x, np.zeros((1, 255), np.uint8), y),
    "two tables": lambda x, y: (x, np.zeros((2, 256), np.uint8), y),
    "another size": lambda x, y: (x, np.zeros((1, 256), np.uint8), y[:, 1:]),
    "floats": lambda x, y: (x.astype(np.float32), np.zeros((1, 256), np.uint8), y),
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused(arguments: Any) -> None:
    x = np.zeros((1, 3, 3, 4), np.uint8)
    made = [tensor(np.ascontiguousarray(array)) for array in arguments(x, x.copy())]
    with pytest.raises(ValueError, match=r"shape|uint8"):
        _kernels.recode(POOLS[1], *made)


def test_channels_outside_of_a_tensor() -> None:
    for first, count in ((-1, 2), (0, 0), (2, 3), (2**31 - 1, 2)):
        with pytest.raises(ValueError, match="no such channels"):
            _kernels.Tensor((1, 2, 2, 4), "uint8").channels(first, count)
