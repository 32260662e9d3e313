"""Convolutions of single maps by the package's own float32 kernels, for statistics.

Of integers they are exact as long as the sums stay below 2**24, and nearly exact above.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sqznet import _kernels

Floats = npt.NDArray[np.float32]


class FloatConv:
    """A convolution without ReLU of float32 maps (1, H, W, C), padded already."""

    def __init__(
        self,
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
        weight: Any,
        bias: Any,
        stride: int,
    ) -> None:
        weight = np.ascontiguousarray(weight, np.float32)
        self._bias = np.ascontiguousarray(bias, np.float32).reshape(-1, 1, 1, 1)
        self._pool = pool
        self._stride = stride
        self._shape = weight.shape
        self._conv = _kernels.Conv(
            kernels.f32, _tensor(weight), _tensor(self._bias), stride=stride, relu=False
        )

    def __call__(self, x: Floats) -> Floats:
        x = np.ascontiguousarray(x, np.float32)
        n, height, width, _ = x.shape
        out, _, rows, columns = self._shape
        stride = self._stride
        shape = (n, (height - rows) // stride + 1, (width - columns) // stride + 1, out)
        y = np.empty(shape, np.float32)
        lines = -(-self._conv.scratch(n, height, width, self._pool.threads) // 64)
        scratch = _kernels.Tensor((1, 1, max(1, lines), 64), "uint8")
        self._conv(self._pool, _tensor(x), scratch, _tensor(y))
        return y


def _tensor(array: Any) -> _kernels.Tensor:
    return _kernels.Tensor.over(array, array.shape)


def bordered(x: Any, width: int, values: Any) -> Any:
    """A map (1, H, W, C) with ``width`` pixels of ``values`` (C,) on each side."""
    if not width:
        return x
    n, height, columns, channels = x.shape
    y = np.empty((n, height + 2 * width, columns + 2 * width, channels), x.dtype)
    y[...] = values
    y[:, width:-width, width:-width] = x
    return y


def some_windows(
    x: Any, kernel: int, stride: int, count: int, random: np.random.Generator
) -> Floats:
    """What ``count`` outputs of a convolution read, drawn at random: (count, C * kernel**2), in
    the order of the weights; all outputs if there are no more."""
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (kernel, kernel), axis=(0, 1))
    windows = windows[::stride, ::stride]
    rows, columns = windows.shape[:2]
    chosen = random.choice(rows * columns, min(count, rows * columns), replace=False)
    found = windows[chosen // columns, chosen % columns]
    return np.asarray(found.reshape(len(chosen), -1), np.float32)
