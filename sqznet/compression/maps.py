"""Maps (1, H, W, C) of photos, and the windows that convolutions read of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sqznet.network.layers import pooled_size

Floats = npt.NDArray[np.float32]


def pooled(x: Floats, ceil_mode: bool) -> Floats:
    """Max pooling with 3x3 windows and stride 2; see `sqznet.network.layers.MaxPool`."""
    out: Any = None
    sizes = [pooled_size(size, ceil_mode) for size in x.shape[1:3]]
    for row in range(3):
        for column in range(3):
            part = x[:, row::2, column::2][:, : sizes[0], : sizes[1]]
            if out is None:
                out = part.copy()
            else:
                inside = out[:, : part.shape[1], : part.shape[2]]
                np.maximum(inside, part, out=inside)
    return np.asarray(out, np.float32)


def windows(x: Floats, kernel: int, stride: int) -> Floats:
    """A view (rows, columns, C, kernel, kernel) of what each output of a convolution reads."""
    found = np.lib.stride_tricks.sliding_window_view(x[0], (kernel, kernel), axis=(0, 1))
    return found[::stride, ::stride]
