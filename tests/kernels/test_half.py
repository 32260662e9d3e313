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


SQUEEZED = {(8, 3, 1, 1): 16}  # the factor by which a fire divides what it squeezes


def made_layer(table: Table, kind: str, weight: float) -> tuple[Any, type]:
    """A layer of three inputs, whose weights are this one, and the kind of map that it writes."""
    shapes = {
        "conv": [(16, 3, 3, 3)],
        "1x1": [(20, 3, 1, 1)],
        "bypass": [(16, 3, 1, 1)],
        "stem": [(16, 3, 7, 7)],
        "fire": [(8, 3, 1, 1), (16, 8, 1, 1), (16, 8, 3, 3)],
        "classifier": [(70, 3, 1, 1)],
    }[kind]
    parameters = [
        cases.weights(array.astype(np.float32))
        for shape in shapes
        for array in (np.full(shape, weight * SQUEEZED.get(shape, 1)), np.zeros(shape[0]))
    ]
    if kind == "stem":
        return _kernels.HalfStem(table, *parameters), half.HalfMap
    if kind == "fire":
        return _kernels.HalfFire(table, *parameters), half.HalfMap
    if kind == "classifier":
        made = _kernels.HalfClassifier(table, *parameters, padding=0, relu=True)
        return made, cases.Map
    return _kernels.HalfConv(table, *parameters, stride=1, relu=kind != "bypass"), half.HalfMap


OUTPUTS = {
    "conv": (16, 9, 7),
    "1x1": (20, 11, 9),
    "bypass": (16, 11, 9),
    "stem": (16, 3, 2),
    "fire": (32, 11, 9),
    "classifier": (70, 1, 1),
}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", OUTPUTS)
def test_what_leaves_the_range_is_nan(half_table: Table, kind: str, sign: int) -> None:
    """Although a ReLU makes a zero of minus infinity. Other images of a batch stay as they are."""
    x = half.values(1, (3, 3, 11, 9), cases.RELU)
    x[1] = 6e4
    layer, kind_of_map = made_layer(half_table, kind, sign)
    y = kind_of_map((3, *OUTPUTS[kind]))
    y.nchw[...] = 0
    half.run_layer(layer, 2, half.filled(x), y)
    assert np.isnan(y.nchw[1]).all()
    for i in (0, 2):
        alone = kind_of_map((1, *OUTPUTS[kind]))
        half.run_layer(layer, 1, half.filled(x[i : i + 1]), alone)
        np.testing.assert_array_equal(y.nchw[i], alone.nchw[0])
        assert np.isfinite(alone.nchw).all()


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_weight_beyond_the_range_is_nan(half_table: Table, kind: str) -> None:
    x = np.ones((1, 3, 11, 9), np.float32)
    layer, kind_of_map = made_layer(half_table, kind, -1e5)
    y = kind_of_map((1, *OUTPUTS[kind]))
    y.nchw[...] = 0
    half.run_layer(layer, 1, half.filled(x), y)
    assert np.isnan(y.nchw).all()


def test_points_that_leave_the_range_are_nan(half_table: Table) -> None:
    """The squeezed map is finite, and so are its products with the filters, which are zero."""
    x = np.zeros((1, 1, 9, 9), np.float32)
    x[0, 0, 4, 4] = 6e4
    ones, zeros = np.full((8, 1, 1, 1), 16, np.float32), np.zeros(16, np.float32)
    arrays = [ones, zeros[:8], np.zeros((16, 8, 1, 1)), zeros, np.zeros((16, 8, 3, 3)), zeros]
    layer = _kernels.HalfFire(half_table, *(cases.weights(np.float32(a)) for a in arrays))
    y = half.HalfMap((1, 32, 9, 9))
    y.nchw[...] = 0
    half.run_layer(layer, 1, half.filled(x), y)
    assert (y.nchw[:, :16] == 0).all()
    assert np.isnan(y.nchw[0, 16:, 4:8, 4:8]).all()


@pytest.mark.parametrize("channels", [5, 16])
def test_sums_and_rounded_numbers_beyond_the_range_are_nan(
    half_table: Table, channels: int
) -> None:
    x = np.zeros((2, channels, 3, 3), np.float32)
    x[1, channels - 1, 2] = np.float32([6e4, -6e4, 1])
    total = half.HalfMap(x.shape)
    pool, halves = cases.POOLS[1], half.filled(x)
    _kernels.bind_add_f16(half_table, pool, halves.tensor, halves.tensor, total.tensor)()
    total.check()
    assert np.isnan(total.nchw[1, channels - 1, 2, :2]).all()
    assert np.isfinite(total.nchw).sum() == x.size - 2

    x[1, channels - 1, 2] = np.float32([7e4, -np.inf, 65519])
    rounded = half.HalfMap(x.shape)
    _kernels.bind_round_f16(half_table, pool, cases.filled(x).tensor, rounded.tensor)()
    rounded.check()
    assert np.isnan(rounded.nchw[1, channels - 1, 2, :2]).all()
    assert np.isfinite(rounded.nchw).sum() == x.size - 2
