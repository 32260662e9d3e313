"""Tensors hold values of a type over memory that they share, or refuse."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from sqznet._kernels import Tensor

REFUSALS = (ValueError, TypeError)


def floats(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def read_only() -> Any:
    x = floats(4)
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    "shape",
    [
        (0, 1, 1, 1),
        (1, 1, 1, -1),
        (1, 1, 1),
        (1, 1, 1, 1, 1),
        (2**30, 2**30, 2**30, 2**30),
        (1, 1, 1, 2**31),
        (2**62, 4, 1, 1),
        (1.0, 1, 1, 1),
        "abcd",
        None,
    ],
)
def test_shapes_that_are_none(shape: Any) -> None:
    with pytest.raises(REFUSALS):
        Tensor(shape)


@pytest.mark.parametrize(
    "buffer",
    [
        np.zeros(4, np.float64),
        np.zeros(4, np.float16),
        np.zeros(4, np.int32),
        np.zeros(4, ">f4"),
        np.zeros(4, np.complex64),
        np.zeros(16, np.uint8),
        bytearray(16),
        b"0123456789abcdef",
        floats(8)[::2],
        floats(4)[::-1],
        floats(2, 2).T,
        read_only(),
        floats(3),
        floats(5),
        floats(0),
        [0.0, 0.0, 0.0, 0.0],
        None,
    ],
    ids=lambda b: f"{type(b).__name__}-{getattr(b, 'dtype', '')}{getattr(b, 'shape', '')}",
)
def test_buffers_that_are_not_four_writable_floats(buffer: Any) -> None:
    with pytest.raises((*REFUSALS, BufferError)):
        Tensor.over(buffer, (1, 2, 2, 1))


def test_a_tensor_shares_the_memory_it_is_over_and_keeps_it_alive() -> None:
    x = floats(2, 3)
    tensor = Tensor.over(x, (1, 2, 3, 1))
    x[1, 2] = 5.0
    assert np.asarray(tensor)[0, 1, 2, 0] == 5.0
    owner = weakref.ref(x)
    view = tensor.part(12, (1, 1, 3, 1))
    del x, tensor
    gc.collect()
    assert owner() is not None
    assert np.asarray(view).ravel().tolist() == [0.0, 0.0, 5.0]
    del view
    gc.collect()
    assert owner() is None


def test_the_buffer_of_a_tensor_has_its_shape_and_strides() -> None:
    tensor = Tensor((2, 5, 7, 3))
    outer, inner = np.asarray(tensor), np.asarray(tensor.inside(1))
    assert (outer.shape, outer.dtype) == ((2, 5, 7, 3), np.float32)
    assert (inner.shape, inner.strides) == ((2, 3, 5, 3), outer.strides)
    inner[:] = 1.0
    assert outer.sum() == inner.size
    assert tensor.inside(1).shape == (2, 3, 5, 3)
    assert not np.asarray(Tensor((1, 9, 9, 9))).any()


@pytest.mark.parametrize("dtype", ["float32", "int32", "int8", "uint8"])
def test_the_types_of_tensors(dtype: Any) -> None:
    array = np.arange(-6, 18).astype(dtype)
    tensor = Tensor.over(array, (2, 2, 3, 2), dtype)
    assert (tensor.dtype, np.asarray(tensor).dtype) == (dtype, np.dtype(dtype))
    np.testing.assert_array_equal(np.asarray(tensor).ravel(), array)
    for other in {"float32", "int32", "int8", "uint8"} - {dtype}:
        with pytest.raises(ValueError, match=f"must hold {other}"):
            Tensor.over(array, (2, 2, 3, 2), other)  # type: ignore[arg-type]
    whole = Tensor((2, 5, 4, 3), dtype)
    np.asarray(whole)[:] = np.arange(120).reshape(2, 5, 4, 3)
    inner = np.asarray(whole)[:, 1:-1, 1:-1]
    np.testing.assert_array_equal(np.asarray(whole.inside(1)), inner)
    second = whole.part(image := 60 * array.itemsize, (1, 5, 4, 3), dtype)
    np.testing.assert_array_equal(np.asarray(second), np.asarray(whole)[1:])
    assert np.asarray(whole.part(image, (1, 1, 1, 8), "uint8")).nbytes == 8


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [
        ("float32", (1, 1, 1, 2), 7),
        ("float32", (1, 1, 1, 2), 12),
        ("float16", (1, 1, 1, 2), 8),
        ("float64", (1, 1, 1, 2), 8),
        ("int8", (1, 1, 1, 2), 2),
        ("float", (1, 1, 1, 2), 8),
        ("", (1, 1, 1, 2), 8),
        ("float32", (1, 1, 1, 0), 0),
    ],
)
def test_bytes_that_are_not_the_shape(dtype: str, shape: Any, size: int) -> None:
    with pytest.raises(REFUSALS):
        Tensor.from_bytes(bytes(size), dtype, shape)


def test_bytes_must_be_contiguous() -> None:
    with pytest.raises((*REFUSALS, BufferError)):
        Tensor.from_bytes(memoryview(bytes(16))[::2], "float32", (1, 1, 1, 2))
