"""Layers that keep half-precision weights as such: the numbers are those of float32 weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sqznet import _kernels

from ..support import kernel_cases as cases
from ..support.kernel_cases import Map

Array = Any

_BITS = np.arange(1 << 16, dtype=np.uint16)
#: All halves but infinities and NaN, whose conversion some versions of NumPy warn of.
FINITE = _BITS[_BITS & 0x7C00 != 0x7C00].view(np.float16).astype(np.float32)
#: Numbers between two halves, or beyond them.
OTHERS = (
    *(1 + 2.0**-11, 1 + 2.0**-23, 0.1, 2.0**-14 * (1 + 2.0**-11), 2.0**-14 - 2.0**-25),
    *(2.0**-25, 3 * 2.0**-25, 2.0**-126, 65504 + 2.0**-8, 65520, 65536, 1e30),
)


def classified(table: _kernels.Float32Kernels, x: float, weights: Array) -> Array:
    """relu(x * weight) for each weight, by a classifier of one channel and pixel."""
    layer = _kernels.Classifier(
        table,
        cases.weights(weights.reshape(-1, 1, 1, 1)),
        cases.weights(np.zeros(weights.size, np.float32)),
    )
    target = Map((1, weights.size, 1, 1))
    cases.run_layer(layer, 1, cases.filled(np.full((1, 1, 1, 1), x, np.float32)), target)
    return target.nchw.ravel()


@pytest.mark.parametrize("x", [1.0, -1.0])
def test_every_half_is_widened_exactly(table: _kernels.Float32Kernels, x: float) -> None:
    np.testing.assert_array_equal(classified(table, x, FINITE), np.maximum(x * FINITE, 0))


@pytest.mark.parametrize("other", OTHERS)
def test_one_other_number_keeps_its_value(table: _kernels.Float32Kernels, other: float) -> None:
    weights = np.array([1.0, other, 2.0], np.float32)
    if cases.FLUSHES_DENORMALS and other < 2.0**-126 * 2:
        pytest.skip("these kernels read denormals as zeros")
    np.testing.assert_array_equal(classified(table, 1.0, weights), weights)
    np.testing.assert_array_equal(classified(table, -1.0, -weights), weights)


def padded_conv(table: _kernels.Float32Kernels, weight: Array, bias: Array) -> Any:
    return _kernels.PaddedConv(table, cases.weights(weight), cases.weights(bias))


def stem(table: _kernels.Float32Kernels, weight: Array, bias: Array) -> Any:
    return _kernels.Stem(table, cases.weights(weight), cases.weights(bias))


def classifier(table: _kernels.Float32Kernels, weight: Array, bias: Array) -> Any:
    return _kernels.Classifier(table, cases.weights(weight), cases.weights(bias))


@pytest.mark.parametrize(
    ("layer_of", "x_shape", "kernel", "y_size"),
    [
        (padded_conv, (2, 24, 15, 9), 3, (15, 9)),
        (stem, (1, 3, 31, 25), 7, (13, 10)),
        (classifier, (2, 40, 5, 6), 1, (1, 1)),
    ],
)
def test_the_same_bits_as_from_floats(
    table: _kernels.Float32Kernels,
    layer_of: Callable[..., Any],
    x_shape: tuple[int, int, int, int],
    kernel: int,
    y_size: tuple[int, int],
) -> None:
    """One more output whose weights are no halves makes all of them floats."""
    outputs = 128  # a whole number of the classifier's walks, of every set
    x = cases.values(1, x_shape, cases.RELU)
    weight = cases.half_values(2, (outputs + 1, x_shape[1], kernel, kernel))
    weight[-1] *= np.float32(1.001)
    bias = cases.values(3, (outputs + 1,))

    def run(outputs: int) -> Array:
        target = Map((x_shape[0], outputs, *y_size))
        layer = layer_of(table, weight[:outputs], bias[:outputs])
        cases.run_layer(layer, 2, cases.filled(x), target)
        return target.nchw

    np.testing.assert_array_equal(run(outputs), run(outputs + 1)[:, :-1])
