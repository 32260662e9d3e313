"""The layers on bytes give the same bits as the reference, on every instruction set."""

from __future__ import annotations

from array import array

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sqznet import _kernels
from sqznet.quantization import reference
from sqznet.quantization.integers import IntegerConv, quantized
from sqznet.quantization.plan import SumPlan

from ..support import int8_cases as int8
from ..support import kernel_cases as cases
from ..support.int8_cases import ByteMap


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
@given(data=st.data())
@cases.examples(30)
def test_conv(
    int8_table: _kernels.Int8Kernels, kernel: int, stride: int, data: st.DataObject
) -> None:
    inputs, out = data.draw(int8.channels), data.draw(int8.channels)
    sides = st.integers(kernel, kernel + 11)
    shape = (data.draw(cases.batches), data.draw(sides), data.draw(sides), inputs)
    x = int8.levels(data.draw(cases.seeds), shape, data.draw(int8.zeros))
    conv, at_end = (
        int8.integers(data.draw(cases.seeds), out, inputs, kernel),
        data.draw(cases.placements),
    )
    expected = reference.conv(x, conv, stride)
    layer = _kernels.ByteConv(int8_table, *int8.tensors(conv, at_end), stride=stride)
    y = ByteMap(expected.shape, at_end=at_end)
    int8.run_layer(layer, data.draw(cases.threads), ByteMap(shape, x, at_end), y, at_end)
    np.testing.assert_array_equal(y.array, expected)


# Multiples of 16 squeezed channels may run Winograd's algorithm.
@pytest.mark.parametrize(
    "squeezed", [int8.channels, st.sampled_from((16, 32, 48))], ids=["any", "16s"]
)
@given(data=st.data())
@cases.examples(30)
def test_fire(
    int8_table: _kernels.Int8Kernels, squeezed: st.SearchStrategy[int], data: st.DataObject
) -> None:
    squeeze = data.draw(squeezed)
    inputs, ones, threes = (data.draw(int8.channels) for _ in range(3))
    shape = (data.draw(cases.batches), data.draw(cases.sides), data.draw(cases.sides), inputs)
    x = int8.levels(data.draw(cases.seeds), shape, data.draw(int8.zeros))
    seed, at_end = data.draw(cases.seeds), data.draw(cases.placements)
    parts = (
        int8.integers(seed, squeeze, inputs, 1),
        int8.integers(seed + 1, ones, squeeze, 1),
        int8.integers(seed + 2, threes, squeeze, 3),
    )
    expected = reference.fire(x, *parts)
    above, below = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))
    if shape[1] <= above + below:
        above = below = 0
    rows = slice(above, shape[1] - below)
    layer = _kernels.ByteFire(int8_table, *(t for p in parts for t in int8.tensors(p, at_end)))
    y = ByteMap(expected[:, rows].shape, at_end=at_end)
    threads = data.draw(cases.threads)
    int8.run_layer(layer, threads, ByteMap(shape, x, at_end), y, at_end, above=above)
    np.testing.assert_array_equal(y.array, expected[:, rows])


@pytest.mark.parametrize(
    ("height", "width"), [(13, 13), (12, 13), (13, 8), (5, 9), (27, 6), (4, 4), (3, 17), (2, 2)]
)
def test_maps_that_are_not_whole_tiles(
    int8_table: _kernels.Int8Kernels, height: int, width: int
) -> None:
    """Edges that Winograd's algorithm computes in tiles, or that direct products compute."""
    parts = [int8.integers(seed, out, 16, side) for seed, out, side in ((0, 16, 1), (1, 3, 1))]
    parts.append(int8.integers(2, 35, 16, 3))
    shape = (2, height, width, 16)
    x = int8.levels(3, shape)
    expected = reference.fire(x, *parts)
    layer = _kernels.ByteFire(int8_table, *(t for p in parts for t in int8.tensors(p)))
    y = ByteMap(expected.shape)
    int8.run_layer(layer, 2, ByteMap(shape, x), y)
    np.testing.assert_array_equal(y.array, expected)


@pytest.mark.parametrize(("squeezed", "level"), [(64, 255), (112, 255), (128, 255), (128, 1)])
@pytest.mark.parametrize("weight", [127, -127, "mixed"])
def test_the_largest_sums_of_a_fire(
    int8_table: _kernels.Int8Kernels, squeezed: int, level: int, weight: int | str
) -> None:
    """Sums that Winograd's algorithm still computes modulo 2^32, and those that it would not."""
    parts = [
        int8.integers(0, squeezed, 4, 1),
        int8.integers(1, 5, squeezed, 1),
        int8.integers(2, 40, squeezed, 3),
    ]
    parts[0].weight[:], parts[0].bias[:], parts[0].scale[:] = 0, level, 1.0  # all bytes alike
    threes = parts[2].weight
    threes[:] = 127 * np.where(threes > 0, 1, -1) if weight == "mixed" else weight
    total = level * int(np.abs(threes.astype(np.int64)).sum(axis=(1, 2, 3)).max())
    bias = np.linspace(-total, total, len(parts[2].bias)).astype(np.int32)
    parts[2].bias[:], parts[2].scale[:] = bias, 200 / total
    x = np.zeros((1, 6, 9, 4), np.uint8)
    expected = reference.fire(x, *parts)
    assert len(np.unique(expected)) > 5
    layer = _kernels.ByteFire(int8_table, *(t for p in parts for t in int8.tensors(p)))
    y = ByteMap(expected.shape)
    int8.run_layer(layer, 1, ByteMap(x.shape, x), y)
    np.testing.assert_array_equal(y.array, expected)


@pytest.mark.parametrize("bypass", ["simple", "complex"])
@given(data=st.data())
@cases.examples(30)
def test_sum(int8_table: _kernels.Int8Kernels, bypass: str, data: st.DataObject) -> None:
    channels = data.draw(int8.channels)
    inputs = data.draw(int8.channels) if bypass == "complex" else channels
    size = (data.draw(cases.batches), data.draw(cases.sides), data.draw(cases.sides))
    rng = np.random.default_rng(data.draw(cases.seeds))
    x, own = (int8.levels(data.draw(cases.seeds), (*size, c)) for c in (inputs, channels))
    conv, around = int8.integers(data.draw(cases.seeds), channels, inputs, 1), x
    factors = rng.uniform(0.1, 2.0, (2, channels)).astype(np.float32)
    if data.draw(st.booleans()):
        factors[:] = 0.5  # many sums are halves
    if bypass == "complex":
        around = reference.sums(x, conv)
        factors[1] *= conv.scale
    plan = SumPlan(
        fire=array("f", factors[0]),
        around=array("f", factors[1]),
        zero=data.draw(st.sampled_from((0, 1, 100, 255))),
        around_zero=data.draw(st.sampled_from((0, 77))) if bypass == "simple" else 0,
    )
    at_end = data.draw(cases.placements)
    layer = _kernels.ByteSum(
        int8_table,
        *(int8.floats(row, at_end) for row in factors),
        plan.zero,
        plan.around_zero,
        int8.tensors(conv, at_end) if bypass == "complex" else None,
    )
    y = ByteMap(own.shape, at_end=at_end)
    y.array[...] = own
    int8.run_layer(layer, data.draw(cases.threads), ByteMap(x.shape, x, at_end), y, at_end)
    np.testing.assert_array_equal(y.array, reference.add(own, around, plan))


def test_a_sum_checks_its_parts(int8_table: _kernels.Int8Kernels) -> None:
    eight, nine = (int8.floats(np.ones(n)) for n in (8, 9))
    with pytest.raises(ValueError, match="around has shape"):
        _kernels.ByteSum(int8_table, eight, nine)
    with pytest.raises(ValueError, match="zero points"):
        _kernels.ByteSum(int8_table, eight, eight, 256)
    with pytest.raises(ValueError, match="as many outputs"):
        _kernels.ByteSum(int8_table, eight, eight, 0, 0, int8.tensors(int8.integers(0, 9, 4, 1)))
    layer = _kernels.ByteSum(int8_table, eight, eight)
    scratch = _kernels.Tensor((1, 1, 1, 64), "uint8")
    with pytest.raises(ValueError, match="x has shape"):
        layer(cases.POOLS[1], ByteMap((1, 2, 2, 9)).tensor, scratch, ByteMap((1, 2, 2, 8)).tensor)


@given(data=st.data())
@cases.examples(30)
def test_output(int8_table: _kernels.Int8Kernels, data: st.DataObject) -> None:
    inputs, out = data.draw(int8.channels), data.draw(int8.channels)
    shape = (data.draw(cases.batches), data.draw(cases.sides), data.draw(cases.sides), inputs)
    x = int8.levels(data.draw(cases.seeds), shape, data.draw(int8.zeros))
    conv, at_end = (
        int8.integers(data.draw(cases.seeds), out, inputs, 1),
        data.draw(cases.placements),
    )
    expected = reference.output(x, conv)
    layer = _kernels.ByteOutput(int8_table, *int8.tensors(conv, at_end))
    y = cases.Map((shape[0], out, *shape[1:3]), at_end=at_end)
    int8.run_layer(layer, data.draw(cases.threads), ByteMap(shape, x, at_end), y, at_end)
    assert y.nchw.transpose(0, 2, 3, 1).tobytes() == expected.tobytes()


def test_an_output_checks_its_parts(int8_table: _kernels.Int8Kernels) -> None:
    with pytest.raises(ValueError, match="the kernel must be 1 x 1"):
        _kernels.ByteOutput(int8_table, *int8.tensors(int8.integers(0, 9, 4, 3)))
    layer = _kernels.ByteOutput(int8_table, *int8.tensors(int8.integers(0, 9, 4, 1)))
    scratch = _kernels.Tensor((1, 1, 256, 64), "uint8")
    x = ByteMap((1, 2, 2, 4)).tensor
    with pytest.raises(ValueError, match="y has shape"):
        layer(cases.POOLS[1], x, scratch, cases.Map((1, 8, 2, 2)).tensor)
    with pytest.raises(ValueError, match="y must be contiguous"):
        layer(cases.POOLS[1], x, scratch, cases.Map((1, 12, 2, 2)).tensor.channels(0, 9))


@given(data=st.data())
@cases.examples(30)
def test_classifier(int8_table: _kernels.Int8Kernels, data: st.DataObject) -> None:
    inputs, classes = data.draw(int8.channels), data.draw(int8.channels)
    shape = (data.draw(cases.batches), data.draw(cases.sides), data.draw(cases.sides), inputs)
    x = int8.levels(data.draw(cases.seeds), shape, data.draw(int8.zeros))
    conv = int8.integers(data.draw(cases.seeds), classes, inputs, 1)
    if data.draw(st.booleans()):
        conv.border[:] = data.draw(st.integers(0, 255))
    padding, relu = data.draw(st.integers(0, 2)), data.draw(st.booleans())
    at_end = data.draw(cases.placements)
    expected = reference.classifier(x, conv, padding, relu)
    layer = _kernels.ByteClassifier(
        int8_table,
        *int8.tensors(conv, at_end),
        int8.border(conv, at_end),
        padding=padding,
        relu=relu,
    )
    y = cases.Map((shape[0], classes, 1, 1), at_end=at_end)
    threads = data.draw(cases.threads)
    int8.run_layer(layer, threads, ByteMap(shape, x, at_end), y, at_end)
    assert y.nchw[:, :, 0, 0].tobytes() == expected.tobytes()


def test_a_classifier_adds_up_more_pixels_than_fit_into_32_bits(
    int8_table: _kernels.Int8Kernels,
) -> None:
    side, inputs, classes = 40, 512, 3
    x = np.full((1, side, side, inputs), 255, np.uint8)
    conv = IntegerConv(
        weight=np.full((classes, inputs, 1, 1), 127, np.int8),
        bias=np.array([2**30, -5, 0], np.int32),
        scale=np.array([1.0, 1e-3, 1e-9], np.float32),
        border=np.zeros(inputs, np.uint8),
    )
    layer = _kernels.ByteClassifier(int8_table, *int8.tensors(conv), int8.border(conv))
    y = cases.Map((1, classes, 1, 1))
    int8.run_layer(layer, 2, ByteMap(x.shape, x), y)
    assert y.nchw[:, :, 0, 0].tobytes() == reference.classifier(x, conv).tobytes()


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e30])
def test_every_product_is_rounded_and_clipped_alike(
    int8_table: _kernels.Int8Kernels, scale: float
) -> None:
    """Halves go to the even integer, sums beyond 2^24 are rounded, and nothing wraps around."""
    bias = np.array(
        [0, 1, 2, 3, 5, -1, 509, 510, 511, 2**24 + 1, 2**31 - 70000, -(2**31) + 70000], np.int32
    )
    for factor in (scale, scale / 2):
        conv = IntegerConv(
            weight=np.ones((len(bias), 4, 1, 1), np.int8),
            bias=bias,
            scale=np.full(len(bias), factor, np.float32),
            border=np.zeros(4, np.uint8),
        )
        x = np.zeros((1, 5, 5, 4), np.uint8)
        y = ByteMap((1, 5, 5, len(bias)))
        layer = _kernels.ByteConv(int8_table, *int8.tensors(conv))
        int8.run_layer(layer, 1, ByteMap(x.shape, x), y)
        np.testing.assert_array_equal(y.array, reference.conv(x, conv))


def test_sums_that_need_more_than_32_bits_are_refused(int8_table: _kernels.Int8Kernels) -> None:
    conv = int8.integers(0, 4, 16, 1)
    conv.bias[2] = 2**31 - 1
    with pytest.raises(ValueError, match="more than 32 bits"):
        _kernels.ByteConv(int8_table, *int8.tensors(conv))


@pytest.mark.parametrize("ceil_mode", [True, False], ids=["ceil", "floor"])
@given(data=st.data())
@cases.examples(30)
def test_max_pool(int8_table: _kernels.Int8Kernels, ceil_mode: bool, data: st.DataObject) -> None:
    side = st.integers(2 if ceil_mode else 3, 16)
    shape = (data.draw(cases.batches), data.draw(side), data.draw(side), data.draw(int8.channels))
    x = int8.levels(data.draw(cases.seeds), shape, data.draw(int8.zeros))
    at_end = data.draw(cases.placements)
    expected = reference.max_pool(x, ceil_mode)
    source, y = ByteMap(shape, x, at_end), ByteMap(expected.shape, at_end=at_end)
    pool = cases.POOLS[data.draw(cases.threads)]
    _kernels.max_pool_u8(int8_table, pool, source.tensor, y.tensor, ceil_mode)
    source.check()
    y.check()
    np.testing.assert_array_equal(y.array, expected)


@given(data=st.data())
@cases.examples(30)
def test_weights_become_the_reference_s_integers(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(cases.seeds))
    shape = (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5)), 3, 3)
    weight = rng.standard_normal(shape).astype(np.float32)
    weight[rng.random(shape) < 0.3] = 0.5  # halves, for scales that are powers of two
    inputs = (2.0 ** rng.integers(-3, 3, shape[1])).astype(np.float32)
    outputs = (2.0 ** rng.integers(-6, 1, shape[0])).astype(np.float32)
    if data.draw(st.booleans()):
        inputs, outputs = inputs * np.float32(1.1), outputs * np.float32(0.013)
    found = _kernels.quantize_weights(
        _kernels.Tensor.over(weight, shape),
        _kernels.Tensor.over(inputs, (len(inputs), 1, 1, 1)),
        _kernels.Tensor.over(outputs, (len(outputs), 1, 1, 1)),
    )
    np.testing.assert_array_equal(np.asarray(found), quantized(weight, inputs, outputs))


def test_layers_check_their_operands(int8_table: _kernels.Int8Kernels) -> None:
    conv = int8.integers(0, 4, 8, 3)
    weight, bias, scale = int8.tensors(conv)
    with pytest.raises(ValueError, match="must be contiguous int8"):
        _kernels.ByteConv(int8_table, bias, bias, scale)
    with pytest.raises(ValueError, match="bias has the wrong dtype"):
        _kernels.ByteConv(int8_table, weight, scale, scale)
    with pytest.raises(ValueError, match="scale has shape"):
        _kernels.ByteConv(int8_table, weight, bias, int8.tensors(int8.integers(0, 5, 8, 3))[2])
    layer, pool = _kernels.ByteConv(int8_table, weight, bias, scale), cases.POOLS[1]
    x, y = ByteMap((1, 6, 6, 8)).tensor, ByteMap((1, 4, 4, 4)).tensor
    scratch = _kernels.Tensor((1, 1, 1, 4096), "uint8")
    with pytest.raises(ValueError, match="x has shape"):
        layer(pool, ByteMap((1, 6, 6, 9)).tensor, scratch, y)
    with pytest.raises(ValueError, match="y has shape"):
        layer(pool, x, scratch, ByteMap((1, 4, 5, 4)).tensor)
    with pytest.raises(ValueError, match="the tensor must hold uint8"):
        layer(pool, cases.Map((1, 8, 6, 6)).tensor, scratch, y)
