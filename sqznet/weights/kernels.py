"""Kernels of convolutions in the order of other frameworks."""

from __future__ import annotations

from typing import Any

from sqznet.weights.checkpoint import FLOAT_SIZES, RawTensor


def oihw(kernel: RawTensor, before: int = 0) -> RawTensor:
    """A kernel of height x width x inputs x outputs as outputs x inputs x height x width, a copy;
    with ``before`` rows and columns of zeros before its own."""
    import numpy as np

    bits: Any = np.frombuffer(kernel.data, f"u{FLOAT_SIZES[kernel.dtype]}")
    turned = bits.reshape(kernel.shape).transpose(3, 2, 0, 1)
    turned = np.pad(turned, ((0, 0), (0, 0), (before, 0), (before, 0)))
    return RawTensor(kernel.dtype, turned.shape, memoryview(turned.tobytes()))
