"""Convolution: stem, squeeze, expands and bypass are all this operation."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sqznet import _kernels
from sqznet.network import reference

from ..support import kernel_cases as cases
from ..support.kernel_cases import Map

Array = Any


def allowed(x: Array, weight: Array, bias: Array, stride: int) -> Array:
    terms = weight[0].size + 1
    cases.assert_sharp(terms)
    magnitude = reference.conv2d(np.abs(x), np.abs(weight), np.abs(bias), stride)
    return cases.budget(terms, magnitude)


def check_conv(
    table: _kernels.Float32Kernels,
    x: Array,
    weight: Array,
    bias: Array,
    *,
    stride: int = 1,
    relu: bool = True,
    threads: int = 1,
    borders: tuple[int, int] = (0, 0),
    at_end: bool = True,
    skips_zeros: bool = False,
) -> None:
    expected = reference.conv2d(x, weight, bias, stride)
    source = cases.filled(x, borders[0], at_end)
    target = Map(expected.shape, border=borders[1], at_end=at_end)
    parameters = cases.weights(weight, at_end), cases.weights(bias, at_end)
    layer = (
        _kernels.Squeeze(table, *parameters, relu)
        if skips_zeros
        else _kernels.Conv(table, *parameters, stride, relu)
    )
    cases.run_layer(layer, threads, source, target, at_end)
    source.check(x)
    expected = reference.relu(expected) if relu else expected
    cases.assert_close(target.nchw, expected, allowed(x, weight, bias, stride))


@given(
    batch=cases.batches,
    cin=cases.channels,
    cout=cases.channels,
    height=cases.sides,
    width=cases.sides,
    relu=st.booleans(),
    threads=cases.threads,
    borders=st.tuples(cases.borders, cases.borders),
    at_end=cases.placements,
    x_kind=cases.kinds,
    w_kind=cases.kinds,
    seed=cases.seeds,
)
@pytest.mark.parametrize("skips_zeros", [False, True])
@cases.examples(80)
def test_conv_1x1(
    table: _kernels.Float32Kernels,
    skips_zeros: bool,
    batch: int,
    cin: int,
    cout: int,
    height: int,
    width: int,
    relu: bool,
    threads: int,
    borders: tuple[int, int],
    at_end: bool,
    x_kind: str,
    w_kind: str,
    seed: int,
) -> None:
    check_conv(
        table,
        cases.values(seed, (batch, cin, height, width), x_kind),
        cases.values(seed + 1, (cout, cin, 1, 1), w_kind),
        cases.values(seed + 2, (cout,)),
        relu=relu,
        threads=threads,
        borders=borders,
        at_end=at_end,
        skips_zeros=skips_zeros,
    )


@pytest.mark.parametrize("kernel", [3, 7])
@given(data=st.data())
@cases.examples(80)
def test_stem(table: _kernels.Float32Kernels, kernel: int, data: st.DataObject) -> None:
    """3x3 and 7x7 with stride 2 from three channels, from the smallest legal size up."""
    side = st.integers(kernel, kernel + 16)
    seed = data.draw(cases.seeds)
    cout = data.draw(cases.channels)
    shape = (data.draw(cases.batches), 3, data.draw(side), data.draw(side))
    check_conv(
        table,
        cases.values(seed, shape, data.draw(cases.kinds)),
        cases.values(seed + 1, (cout, 3, kernel, kernel), data.draw(cases.kinds)),
        cases.values(seed + 2, (cout,)),
        stride=2,
        relu=data.draw(st.booleans()),
        threads=data.draw(cases.threads),
        borders=data.draw(st.tuples(cases.borders, cases.borders)),
        at_end=data.draw(cases.placements),
    )


@given(data=st.data())
@cases.examples(120)
def test_any_kernel_and_stride(table: _kernels.Float32Kernels, data: st.DataObject) -> None:
    """Also what no SqueezeNet has: oblong kernels, strides of 1 to 3."""
    kh, kw = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    cin = data.draw(cases.channels if kh * kw <= 9 else st.integers(1, 24))
    cout = data.draw(cases.channels)
    seed = data.draw(cases.seeds)
    height = data.draw(st.integers(kh, kh + 8))
    width = data.draw(st.integers(kw, kw + 8))
    check_conv(
        table,
        cases.values(seed, (data.draw(cases.batches), cin, height, width), data.draw(cases.kinds)),
        cases.values(seed + 1, (cout, cin, kh, kw), data.draw(cases.kinds)),
        cases.values(seed + 2, (cout,)),
        stride=data.draw(st.integers(1, 3)),
        relu=data.draw(st.booleans()),
        threads=data.draw(cases.threads),
        borders=data.draw(st.tuples(cases.borders, cases.borders)),
        at_end=data.draw(cases.placements),
    )


@pytest.mark.parametrize("kernel", [1, 3])
def test_every_tap_reaches_its_output(table: _kernels.Float32Kernels, kernel: int) -> None:
    """One input channel and one tap at a time, with an answer that is exact."""
    cin, cout = 5, 19
    weight = np.arange(cout * cin * kernel * kernel, dtype=np.float32) + 1
    weight = weight.reshape(cout, cin, kernel, kernel)
    layer = _kernels.Conv(
        table, cases.weights(weight), cases.weights(np.zeros(cout, np.float32)), 1, False
    )
    for tap in np.ndindex(cin, kernel, kernel):
        x = np.zeros((1, cin, kernel, kernel), np.float32)
        x[0][tap] = 1.0
        target = Map((1, cout, 1, 1))
        cases.run_layer(layer, 1, cases.filled(x), target)
        np.testing.assert_array_equal(target.nchw[0, :, 0, 0], weight[(slice(None), *tap)])


def test_deeper_than_any_squeezenet(table: _kernels.Float32Kernels) -> None:
    """2080 products a sum, of small integers, so that the answer is exact."""
    rng = np.random.default_rng(1)
    x = rng.integers(-2, 3, (1, 520, 3, 4)).astype(np.float32)
    weight = rng.integers(-2, 3, (19, 520, 2, 2)).astype(np.float32)
    bias = rng.integers(-2, 3, 19).astype(np.float32)
    layer = _kernels.Conv(table, cases.weights(weight), cases.weights(bias), 1, False)
    target = Map((1, 19, 2, 3))
    cases.run_layer(layer, 1, cases.filled(x), target)
    np.testing.assert_array_equal(target.nchw, reference.conv2d(x, weight, bias))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_for_any_number_of_threads(
    table: _kernels.Float32Kernels, threads: int
) -> None:
    x = cases.values(1, (2, 33, 11, 9), cases.RELU)
    weight, bias = cases.values(2, (41, 33, 3, 3)), cases.values(3, (41,))
    layer = _kernels.Conv(table, cases.weights(weight), cases.weights(bias))
    results = []
    for count in (1, threads, threads):
        target = Map((2, 41, 9, 7))
        cases.run_layer(layer, count, cases.filled(x), target)
        results.append(target.nchw.tobytes())
    assert len(set(results)) == 1


def test_packed_weights_outlive_their_source(table: _kernels.Float32Kernels) -> None:
    weight, bias = cases.values(2, (9, 4, 1, 1)), cases.values(3, (9,))
    kept = weight.copy()
    layer = _kernels.Conv(
        table, _kernels.Tensor.over(weight, weight.shape), cases.weights(bias), 1, False
    )
    weight[:] = np.nan
    x = cases.values(4, (1, 4, 3, 3))
    target = Map((1, 9, 3, 3))
    cases.run_layer(layer, 1, cases.filled(x), target)
    expected = reference.conv2d(x, kept, bias)
    cases.assert_close(target.nchw, expected, allowed(x, kept, bias, 1))
