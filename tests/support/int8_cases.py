"""Shared by the tests of the int8 kernels: maps of bytes and integer weights in guarded memory."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np

from sqznet import _kernels
from sqznet.quantization.integers import IntegerConv

from . import kernel_cases as cases
from .guarded import Guarded

Array = Any
Layer = (
    _kernels.ByteConv
    | _kernels.ByteFire
    | _kernels.ByteSum
    | _kernels.ByteOutput
    | _kernels.ByteClassifier
)

# Around the multiples of registers, of register tiles and of input words.
channels = st.one_of(
    st.sampled_from((1, 2, 3, 4, 7, 8, 15, 16, 17, 32, 33, 48, 63, 64, 65, 70)), st.integers(1, 70)
)
# The share of zeros: none; as after a ReLU; as in the input of the classifier; all.
zeros = st.sampled_from((0.0, 0.5, 0.93, 1.0))


def levels(seed: int, shape: tuple[int, ...], zeros: float = 0.0) -> Array:
    """uint8, of which many are 0 or 255."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.integers(-40, 300, shape), 0, 255).astype(np.uint8)
    x[rng.random(shape) < zeros] = 0
    return x


def integers(seed: int, out: int, inputs: int, kernel: int) -> IntegerConv:
    """Weights of all values, and scales for which some outputs are clipped on either side."""
    rng = np.random.default_rng(seed)
    depth = inputs * kernel * kernel
    return IntegerConv(
        weight=rng.integers(-127, 128, (out, inputs, kernel, kernel)).astype(np.int8),
        bias=rng.integers(-20000, 20000, out).astype(np.int32),
        scale=(rng.uniform(0.5, 2.0, out) / 100 / depth**0.5).astype(np.float32),
        border=np.zeros(inputs, np.uint8),
    )


class ByteMap:
    """An (N, H, W, C) map of bytes in guarded memory. Without `content` it is full of canaries."""

    def __init__(self, shape: tuple[int, ...], content: Array = None, at_end: bool = True) -> None:
        self._memory = Guarded(int(np.prod(shape)), at_end, np.uint8)
        self.array = self._memory.array.reshape(shape)
        self._content = content
        if content is not None:
            self.array[...] = content
        self.tensor = _kernels.Tensor.over(self.array, shape, "uint8")

    def check(self) -> None:
        """Asserts that nothing was written around the map, nor into an input."""
        self._memory.check()
        if self._content is not None:
            np.testing.assert_array_equal(self.array, self._content)


def tensors(conv: IntegerConv, at_end: bool = True) -> tuple[_kernels.Tensor, ...]:
    """Guarded tensors: weight, bias, scale."""
    return tuple(_tensor(array, at_end) for array in (conv.weight, conv.bias, conv.scale))


def border(conv: IntegerConv, at_end: bool = True) -> _kernels.Tensor:
    return _tensor(conv.border, at_end)


def floats(values: Array, at_end: bool = True) -> _kernels.Tensor:
    return _tensor(np.asarray(values, np.float32), at_end)


def _tensor(array: Array, at_end: bool) -> _kernels.Tensor:
    memory = Guarded(array.size, at_end, array.dtype)
    memory.array[:] = array.ravel()
    shape = (*array.shape, 1, 1, 1)[:4]
    return _kernels.Tensor.over(memory.array, shape, str(array.dtype))


def run_layer(
    layer: Layer, threads: int, x: ByteMap, y: Any, at_end: bool = True, **rows: int
) -> None:
    """Calls the layer once, with exactly the scratch memory it needs, full of canaries."""
    n, h, w, _ = (y if isinstance(layer, _kernels.ByteFire) else x).tensor.shape
    scratch = Guarded(max(4, layer.scratch(n, h, w, threads)), at_end, np.uint8)
    tensor = _kernels.Tensor.over(scratch.array, (1, 1, 1, scratch.array.size), "uint8")
    layer(cases.POOLS[threads], x.tensor, tensor, y.tensor, **rows)
    scratch.check()
    x.check()
    y.check()
