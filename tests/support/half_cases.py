"""Shared by the tests of the half-precision kernels: maps of halves in guarded memory, and the
numbers of a convolution, bit for bit.

A convolution starts with the bias and adds the products in the order of rows, columns and channels.
Each step is rounded once: float64 holds the product and its sum with a half without rounding. What
is added to zero channels changes nothing, so kernels may skip them.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np

from sqznet import _kernels

from . import kernel_cases as cases
from .guarded import Guarded

Array = Any
Layer = _kernels.HalfConv | _kernels.HalfStem | _kernels.HalfFire | _kernels.HalfClassifier

ROUNDOFF = 2.0**-11

#: Around the multiples of registers, of tiles and of the classifier's blocks.
channels = st.one_of(
    st.sampled_from((1, 2, 7, 8, 9, 15, 16, 17, 24, 32, 33, 48, 63, 64, 65)), st.integers(1, 70)
)
kinds = st.sampled_from((cases.DENSE, cases.RELU, cases.SPARSE, cases.ZERO))


values = cases.half_values


def conv(x: Array, weight: Array, bias: Array, stride: int = 1, relu: bool = True) -> Array:
    """The halves that a convolution without padding gives."""
    kernel = weight.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))
    taken = windows[:, :, ::stride, ::stride].astype(np.float64)
    sums = np.broadcast_to(
        bias.astype(np.float16)[None, :, None, None],
        (x.shape[0], len(bias), *taken.shape[2:4]),
    )
    for row, column, channel in np.ndindex(kernel, kernel, x.shape[1]):
        factors = weight[:, channel, row, column].astype(np.float64)[None, :, None, None]
        products = taken[:, channel, None, :, :, row, column] * factors
        sums = (sums.astype(np.float64) + products).astype(np.float16)
    return np.maximum(sums, np.float16(0)) if relu else sums


class HalfMap:
    """An (N, C, H, W) map of halves, stored channel-last in guarded memory. Without `content` it is
    full of canaries."""

    def __init__(
        self, shape: tuple[int, ...], content: Array | None = None, at_end: bool = True
    ) -> None:
        n, c, h, w = shape
        self._memory = Guarded(n * c * h * w, at_end, np.float16)
        self.array = self._memory.array.reshape(n, h, w, c)
        self._content = content
        if content is not None:
            self.array[...] = np.moveaxis(content, 1, -1)
        self.tensor = _kernels.Tensor.over(self.array, self.array.shape, "float16")

    @property
    def nchw(self) -> Array:
        return np.moveaxis(self.array, -1, 1)

    def check(self) -> None:
        """Asserts that nothing was written around the map, nor into an input."""
        self._memory.check()
        if self._content is not None:
            np.testing.assert_array_equal(self.nchw, self._content.astype(np.float16))


def filled(content: Array, at_end: bool = True) -> HalfMap:
    return HalfMap(content.shape, content, at_end)


def run_layer(
    layer: Layer, threads: int, x: HalfMap, y: HalfMap | cases.Map, at_end: bool = True, **rows: int
) -> None:
    """Calls the layer once, with exactly the scratch memory it needs, full of canaries."""
    n, h, w, _ = (y if isinstance(layer, _kernels.HalfFire) else x).tensor.shape
    nbytes = -(-max(4, layer.scratch(n, h, w, threads)) // 4) * 4
    scratch = Guarded(nbytes, at_end, np.uint8)
    tensor = _kernels.Tensor.over(scratch.array, (1, 1, 1, nbytes), "uint8")
    layer(cases.POOLS[threads], x.tensor, tensor, y.tensor, **rows)
    scratch.check()
    x.check()
    y.check()
