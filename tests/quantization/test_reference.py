"""The integer reference, against plain loops over Python's integers."""

from __future__ import annotations

import struct
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sqznet.network.layers import pooled_size
from sqznet.quantization import reference
from sqznet.quantization.integers import IntegerConv, quantized, represented
from sqznet.quantization.plan import SumPlan

from ..support import integer_networks, whole_networks

Array = Any


def f32(value: float) -> float:
    """The nearest float32, ties to even."""
    found: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return found


def byte(value: float) -> int:
    return min(max(round(value), 0), 255)


def made_conv(seed: int, out: int, cin: int, kernel: tuple[int, int]) -> IntegerConv:
    rng = np.random.default_rng(seed)
    return IntegerConv(
        weight=rng.integers(-127, 128, (out, cin, *kernel)).astype(np.int8),
        bias=rng.integers(-40_000, 80_000, out).astype(np.int32),
        scale=rng.uniform(0.002, 0.02, out).astype(np.float32),
        border=rng.integers(0, 256, cin).astype(np.uint8),
    )


def sums_by_loops(x: Array, made: IntegerConv, stride: int, padding: int) -> list[Any]:
    height, width, _ = x.shape
    out, cin, kh, kw = made.weight.shape

    def at(row: int, column: int, channel: int) -> int:
        inside = 0 <= row < height and 0 <= column < width
        return int(x[row, column, channel] if inside else made.border[channel])

    def total(row: int, column: int, o: int) -> int:
        return int(made.bias[o]) + sum(
            at(row * stride + dy - padding, column * stride + dx - padding, i)
            * int(made.weight[o, i, dy, dx])
            for i, dy, dx in np.ndindex(cin, kh, kw)
        )

    rows = (height + 2 * padding - kh) // stride + 1
    columns = (width + 2 * padding - kw) // stride + 1
    return [[[total(r, c, o) for o in range(out)] for c in range(columns)] for r in range(rows)]


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (1, 1), (2, 3)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 3)])
def test_conv(kernel: tuple[int, int], stride: int, padding: int) -> None:
    made = made_conv(0, 4, 3, kernel)
    x = integer_networks.photos(1, 2, 5, 6)
    expected = [sums_by_loops(image, made, stride, padding) for image in x]
    found = reference.sums(x, made, stride, padding)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)
    bytes_of = np.vectorize(lambda s, scale: byte(f32(f32(s) * scale)))
    y = reference.conv(x, made, stride, padding)
    assert y.dtype == np.uint8
    np.testing.assert_array_equal(y, bytes_of(expected, made.scale.astype(np.float64)))
    assert {0, 255} < set(y.flat)


def test_halves_are_rounded_to_even_and_outliers_clipped() -> None:
    sums = np.array([[1], [3], [5], [509], [511], [-1], [-7], [2**31 - 1]])
    found = reference.requantized(sums, np.array([0.5], np.float32))
    assert found[:, 0].tolist() == [0, 2, 2, 254, 255, 0, 0, 255]


def test_a_sum_is_rounded_to_float32_before_the_product() -> None:
    total, scale = 2**24 + 1, np.float32(201 / 2**24)
    exact = total * float(scale)
    found = reference.requantized(np.array([[total]]), np.array([scale]))
    assert found[0, 0] == byte(f32(f32(total) * float(scale)))
    assert f32(total) * float(scale) != exact


@pytest.mark.parametrize("ceil_mode", [True, False])
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (5, 6), (7, 8), (9, 4)])
def test_max_pool(size: tuple[int, int], ceil_mode: bool) -> None:
    x = integer_networks.photos(2, 2, *size)
    rows, columns = (pooled_size(side, ceil_mode) for side in size)
    found = reference.max_pool(x, ceil_mode)
    assert found.shape == (2, rows, columns, 3)
    for n, r, c, channel in np.ndindex(*found.shape):
        window = x[n, 2 * r : 2 * r + 3, 2 * c : 2 * c + 3, channel]
        assert found[n, r, c, channel] == window.max()


@pytest.mark.parametrize("zeros", [(0, 0), (60, 0), (60, 55)])
def test_add(zeros: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    own = rng.integers(0, 256, (1, 4, 5, 7), np.uint8)
    around = rng.integers(0, 256, own.shape, np.uint8)
    factors = rng.uniform(0.2, 1.0, (2, 7)).astype(np.float32)
    plan = SumPlan(factors[0], factors[1], *zeros)  # type: ignore[arg-type]
    found = reference.add(own, around, plan)
    for n, r, c, i in np.ndindex(*own.shape):
        p, m = (float(factor) for factor in factors[:, i])
        z = int(around[n, r, c, i]) - zeros[1]
        total = f32(f32(int(own[n, r, c, i]) * p) + f32(z * m))
        assert found[n, r, c, i] == min(max(round(total) + zeros[0], 0), 255)


def test_add_of_sums_of_a_convolution() -> None:
    plan = SumPlan([0.25], [2.0**-20], 60, 0)  # type: ignore[arg-type]
    own = np.array([4, 4, 4, 255, 0], np.uint8).reshape(1, 1, 5, 1)
    around = np.array([0, -(2**21), -(2**30), 2**30, 3 * 2**19]).reshape(1, 1, 5, 1)
    assert reference.add(own, around, plan).ravel().tolist() == [61, 59, 0, 255, 62]


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("rectified", [True, False])
def test_classifier(padding: int, rectified: bool) -> None:
    made = made_conv(4, 5, 3, (1, 1))
    x = integer_networks.photos(5, 2, 4, 6)
    found = reference.classifier(x, made, padding, rectified)
    assert found.dtype == np.float32
    for n, o in np.ndindex(*found.shape):
        rows = sums_by_loops(x[n], made, 1, padding)
        sums = [pixel[o] for row in rows for pixel in row]
        total = sum(max(s, 0) if rectified else s for s in sums)
        assert found[n, o] == f32(total * float(made.scale[o]) / len(sums))


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_integers_and_the_weights_they_stand_for_are_the_same(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    weight = rng.integers(-127, 128, (3, 4, 3, 3)).astype(np.int8)
    inputs, outputs = (np.exp(rng.uniform(-12, 6, n)).astype(np.float32) for n in (4, 3))
    floats = represented(weight, inputs, outputs)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(quantized(floats, inputs, outputs), weight)


def test_weights_out_of_range_are_clipped() -> None:
    weight = np.array([1.0, -1.0, 0.5, 3e38, -3e38], np.float32).reshape(5, 1, 1, 1)
    found = quantized(weight, [100.0], [0.5] * 5)
    assert found.ravel().tolist() == [127, -127, 100, 127, -127]


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_any_wiring_gives_maps_of_the_networks_shapes(bypass: str, data: st.DataObject) -> None:
    net, made = whole_networks.draw_network(data, "squeezenet1_1", bypass)
    plan, convs = integer_networks.planned(net, made)
    side = net.minimum_size + data.draw(st.integers(0, 9))
    maps = reference.layer_outputs(net, convs, plan, integer_networks.photos(0, 2, side, side))
    for layer, shape in zip(net.trunk, net.shapes(side, side), strict=False):
        assert maps[layer.name].shape == (2, *shape)
        assert maps[layer.name].dtype == np.uint8
    assert maps["logits"].dtype == np.float32
