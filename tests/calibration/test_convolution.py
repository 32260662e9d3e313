"""Convolutions and samples for statistics."""

from __future__ import annotations

import numpy as np
import pytest

from sqznet import _kernels
from sqznet.calibration.convolution import FloatConv, bordered, some_windows
from sqznet.network import reference


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
def test_a_convolution_is_that_of_the_reference(kernel: int, stride: int) -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (5, 3, kernel, kernel)).astype(np.int8)
    bias = rng.normal(0, 10, 5)
    x = rng.integers(0, 256, (1, 12, 15, 3), np.uint8)
    conv = FloatConv(_kernels.best_kernels(), _kernels.ThreadPool(1), weight, bias, stride)
    expected = reference.conv2d(np.moveaxis(x, 3, 1), weight, bias, stride)
    np.testing.assert_allclose(conv(x), np.moveaxis(expected, 1, 3), rtol=1e-5, atol=0.1)


def test_a_border_has_a_value_for_each_channel() -> None:
    x = np.zeros((1, 2, 3, 2), np.uint8)
    y = bordered(x, 1, np.array([7, 9]))
    assert y.shape == (1, 4, 5, 2)
    assert y[0, 0, 0].tolist() == [7, 9]
    assert not y[:, 1:-1, 1:-1].any()
    assert bordered(x, 0, 7) is x


def test_windows_have_the_order_of_weights() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (1, 7, 9, 3), np.uint8)
    weight = rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    sums = reference.conv2d(np.moveaxis(x, 3, 1), weight, np.zeros(4), 2)
    windows = some_windows(x, 3, 2, 1000, np.random.default_rng(0))
    assert windows.shape == (12, 27)
    found = windows @ weight.reshape(4, -1).T.astype(np.float32)
    assert sorted(found[:, 0]) == sorted(sums[0, 0].ravel())
    assert some_windows(x, 3, 2, 5, np.random.default_rng(0)).shape == (5, 27)
