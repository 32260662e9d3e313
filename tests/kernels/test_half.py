"""The layers in half precision, on every set that has them: convolutions give the same bits as
NumPy, Winograd's algorithm stays within an error budget."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sqznet import _kernels
from sqznet.network import reference

from ..support import half_cases as half
from ..support import kernel_cases as cases

Array = Any
Table = _kernels.Float16Kernels

# Winograd's algorithm with 6 x 6 points: the largest error over the roundoff times the tile's
# magnitude that 20,000 drawn fires had was 3.4.
WINOGRAD_GROWTH = 8.0


def conv_of(table: Table, weight: Array, bias: Array, at_end: bool, **how: Any) -> Any:
    return _kernels.HalfConv(
        table, cases.weights(weight, at_end), cases.weights(bias, at_end), **how
    )


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
@given(data=st.data())
@cases.examples(30)
def test_conv(half_table: Table, kernel: int, stride: int, data: st.DataObject) -> None:
    inputs, out = data.draw(half.channels), data.draw(half.channels)
    if kernel == 7:
        inputs = min(inputs, 9)
    elif kernel == 3:
        inputs = min(inputs, 24)
    sides = st.integers(kernel, kernel + 11)
    shape = (data.draw(cases.batches), inputs, data.draw(sides), data.draw(sides))
    x = half.values(data.draw(cases.seeds), shape, data.draw(half.kinds))
    weight = half.values(data.draw(cases.seeds), (out, inputs, kernel, kernel))
    bias = half.values(data.draw(cases.seeds), (out,))
    relu, at_end = data.draw(st.booleans()), data.draw(cases.placements)
    expected = half.conv(x, weight, bias, stride, relu)
    layer = conv_of(half_table, weight, bias, at_end, stride=stride, relu=relu)
    y = half.HalfMap(expected.shape, at_end=at_end)
    half.run_layer(layer, data.draw(cases.threads), half.filled(x, at_end), y, at_end)
    np.testing.assert_array_equal(y.nchw, expected)


@given(data=st.data())
@cases.examples(20)
def test_stem(half_table: Table, data: st.DataObject) -> None:
    inputs, out = data.draw(st.integers(1, 4)), data.draw(half.channels)
    sides = st.integers(7, 30)
    shape = (data.draw(cases.batches), inputs, data.draw(sides), data.draw(sides))
    x = half.values(data.draw(cases.seeds), shape)
    weight = half.values(data.draw(cases.seeds), (out, inputs, 7, 7))
    bias, at_end = half.values(data.draw(cases.seeds), (out,)), data.draw(cases.placements)
    expected = reference.relu(reference.conv2d(x, weight, bias, 2))
    magnitude = reference.conv2d(np.abs(x), np.abs(weight), np.abs(bias), 2).max()
    layer = _kernels.HalfStem(
        half_table, cases.weights(weight, at_end), cases.weights(bias, at_end)
    )
    y = half.HalfMap(expected.shape, at_end=at_end)
    half.run_layer(layer, data.draw(cases.threads), half.filled(x, at_end), y, at_end)
    cases.assert_close(y.nchw, expected, WINOGRAD_GROWTH * half.ROUNDOFF * magnitude)


@given(data=st.data())
@cases.examples(40)
def test_fire(half_table: Table, data: st.DataObject) -> None:
    inputs, squeeze, ones, threes = (data.draw(half.channels) for _ in range(4))
    shape = (data.draw(cases.batches), inputs, data.draw(cases.sides), data.draw(cases.sides))
    x = half.values(data.draw(cases.seeds), shape, data.draw(half.kinds))
    seed, at_end = data.draw(cases.seeds), data.draw(cases.placements)
    shapes = ((squeeze, inputs, 1, 1), (ones, squeeze, 1, 1), (threes, squeeze, 3, 3))
    fire = [
        (half.values(seed + i, each), half.values(seed + 3 + i, each[:1]))
        for i, each in enumerate(shapes)
    ]
    above, below = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))
    if shape[2] <= above + below:
        above = below = 0
    rows = slice(above, shape[2] - below)
    (weight, bias), (weight1, bias1), (weight3, bias3) = fire
    squeezed = half.conv(x, weight / 16, bias / 16)  # HalfFire says why
    one = half.conv(squeezed, weight1 * 16, bias1)
    squeezed = squeezed.astype(np.float64) * 16
    three = reference.relu(reference.conv2d(squeezed, weight3, bias3, padding=1))
    magnitude = cases.tile_magnitude(squeezed, weight3, bias3, 4)
    parameters = [cases.weights(array, at_end) for pair in fire for array in pair]
    layer = _kernels.HalfFire(half_table, *parameters)
    y = half.HalfMap((shape[0], ones + threes, rows.stop - rows.start, shape[3]), at_end=at_end)
    threads = data.draw(cases.threads)
    half.run_layer(layer, threads, half.filled(x, at_end), y, at_end, above=above)
    np.testing.assert_array_equal(y.nchw[:, :ones], one[:, :, rows])
    allowed = WINOGRAD_GROWTH * half.ROUNDOFF * magnitude[:, :, rows]
    cases.assert_close(y.nchw[:, ones:], three[:, :, rows], allowed)


@given(data=st.data())
@cases.examples(30)
def test_classifier(half_table: Table, data: st.DataObject) -> None:
    inputs, classes = data.draw(half.channels), data.draw(half.channels)
    shape = (data.draw(cases.batches), inputs, data.draw(cases.sides), data.draw(cases.sides))
    x = half.values(data.draw(cases.seeds), shape, data.draw(half.kinds))
    weight = half.values(data.draw(cases.seeds), (classes, inputs, 1, 1))
    bias = half.values(data.draw(cases.seeds), (classes,))
    padding, relu = data.draw(st.integers(0, 2)), data.draw(st.booleans())
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    summed = half.conv(padded, weight, bias, relu=relu).astype(np.float64)
    expected = summed.mean((2, 3), keepdims=True)
    at_end = data.draw(cases.placements)
    layer = _kernels.HalfClassifier(
        half_table,
        cases.weights(weight, at_end),
        cases.weights(bias, at_end),
        padding=padding,
        relu=relu,
    )
    y = cases.Map((shape[0], classes, 1, 1), at_end=at_end)
    half.run_layer(layer, data.draw(cases.threads), half.filled(x, at_end), y, at_end)
    pixels = summed[0, 0].size
    allowed = cases.budget(pixels, np.abs(summed).mean((2, 3), keepdims=True))
    cases.assert_close(y.nchw, expected, allowed)


@given(data=st.data())
@cases.examples(30)
def test_maps(half_table: Table, data: st.DataObject) -> None:
    """Pooling, adding and rounding give the same bits as NumPy."""
    shape = (
        data.draw(cases.batches),
        data.draw(half.channels),
        *(data.draw(st.integers(3, 12)),) * 2,
    )
    seed, at_end = data.draw(cases.seeds), data.draw(cases.placements)
    first, second = half.values(seed, shape), half.values(seed + 1, shape)
    pool = cases.POOLS[data.draw(cases.threads)]
    x, other = half.filled(first, at_end), half.filled(second, at_end)

    ceil_mode = data.draw(st.booleans())
    pooled = reference.max_pool(first, ceil_mode)
    y = half.HalfMap(pooled.shape, at_end=at_end)
    _kernels.bind_max_pool_f16(half_table, pool, x.tensor, y.tensor, ceil_mode)()
    np.testing.assert_array_equal(y.nchw, pooled)
    y.check()

    y = half.HalfMap(shape, at_end=at_end)
    _kernels.bind_add_f16(half_table, pool, x.tensor, other.tensor, y.tensor)()
    np.testing.assert_array_equal(y.nchw, first.astype(np.float16) + second.astype(np.float16))
    y.check()

    wide = cases.filled(first * np.float32(1.0001), at_end=at_end)
    y = half.HalfMap(shape, at_end=at_end)
    _kernels.bind_round_f16(half_table, pool, wide.tensor, y.tensor)()
    np.testing.assert_array_equal(y.nchw, wide.nchw.astype(np.float16))
    y.check()


def test_weights_are_rounded_to_the_nearest(half_table: Table) -> None:
    """All halves, values between them, and beyond: a 1x1 convolution of ones gives the weights."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[:-1] + halves[1:]) / 2
    edges = np.float32([65504, 65519.996, 2.0**-25, 2.0**-26, 1e-30])
    made = np.concatenate([halves, between, np.nextafter(between, np.float32(0)), edges])
    made = np.concatenate([made, -made]).astype(np.float32)
    layer = conv_of(
        half_table, made.reshape(-1, 1, 1, 1), np.zeros(made.size, np.float32), True, relu=False
    )
    y = half.HalfMap((1, made.size, 1, 1))
    half.run_layer(layer, 1, half.filled(np.ones((1, 1, 1, 1), np.float32)), y)
    np.testing.assert_array_equal(y.nchw.ravel(), made.astype(np.float16))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kernel", [1, 3])
def test_an_infinite_sum_becomes_nan(half_table: Table, kernel: int, sign: int) -> None:
    """A ReLU would turn the negative one into 0."""
    x = np.full((1, 8, 5, 5), 6e4, np.float32)
    weight = np.full((16, 8, kernel, kernel), np.float32(sign))
    y = half.HalfMap((1, 16, 6 - kernel, 6 - kernel))
    half.run_layer(
        conv_of(half_table, weight, np.zeros(16, np.float32), True), 1, half.filled(x), y
    )
    assert np.isnan(y.nchw).all()
