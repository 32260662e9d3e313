"""1x1 convolution, bias, ReLU and global average in one kernel."""

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


def allowed(x: Array, weight: Array, bias: Array, padding: int) -> Array:
    """The convolution's error, averaged, and that of summing the pixels and dividing."""
    terms = weight[0].size + 1
    cases.assert_sharp(terms)
    magnitude = reference.conv2d(np.abs(x), np.abs(weight), np.abs(bias), padding=padding)
    pixels = magnitude.shape[2] * magnitude.shape[3]
    return cases.budget(terms + pixels, magnitude.mean(axis=(2, 3)))


def check_classifier(
    table: _kernels.Float32Kernels,
    x: Array,
    weight: Array,
    bias: Array,
    padding: int = 0,
    threads: int = 1,
    border: int = 0,
    at_end: bool = True,
) -> None:
    expected = reference.classifier(x, weight, bias, padding)
    source = cases.filled(x, border, at_end)
    target = Map((*expected.shape, 1, 1), at_end=at_end)
    layer = _kernels.Classifier(
        table, cases.weights(weight, at_end), cases.weights(bias, at_end), padding
    )
    cases.run_layer(layer, threads, source, target, at_end)
    source.check(x)
    cases.assert_close(target.nchw[:, :, 0, 0], expected, allowed(x, weight, bias, padding))


@given(data=st.data())
@cases.examples(150)
def test_classifier(table: _kernels.Float32Kernels, data: st.DataObject) -> None:
    seed = data.draw(cases.seeds)
    cin, classes = data.draw(cases.channels), data.draw(cases.channels)
    shape = (data.draw(cases.batches), cin, data.draw(cases.sides), data.draw(cases.sides))
    check_classifier(
        table,
        cases.values(seed, shape, data.draw(cases.kinds)),
        data.draw(cases.weight_values)(seed + 1, (classes, cin, 1, 1), data.draw(cases.kinds)),
        cases.values(seed + 2, (classes,)),
        padding=data.draw(st.integers(0, 2)),
        threads=data.draw(cases.threads),
        border=data.draw(cases.borders),
        at_end=data.draw(cases.placements),
    )


@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("classes", [1, 7, 1000, 1001])
def test_any_number_of_classes(table: _kernels.Float32Kernels, classes: int, kind: str) -> None:
    x = cases.values(1, (2, 64, 5, 4), kind)
    weight, bias = cases.values(2, (classes, 64, 1, 1)), cases.values(3, (classes,))
    check_classifier(table, x, weight, bias, threads=2)


@pytest.mark.parametrize("busy", range(9))
def test_pixels_of_very_different_density(table: _kernels.Float32Kernels, busy: int) -> None:
    """One full pixel among empty ones, and one value in all, at every place of a 3 x 3 map."""
    weight, bias = cases.values(2, (21, 37, 1, 1)), cases.values(3, (21,))
    x = np.zeros((1, 37, 9), np.float32)
    x[0, :, busy] = cases.values(4, (37,))
    check_classifier(table, x.reshape(1, 37, 3, 3), weight, bias)
    x[0, :36, busy] = 0.0
    check_classifier(table, x.reshape(1, 37, 3, 3), weight, bias, padding=1)


def test_padding_averages_in_a_border_of_biases(table: _kernels.Float32Kernels) -> None:
    """Caffe's 1.0 has it: (9 relu(0 + b) + 16 relu(b)) / 25 over a map of zeros."""
    x, weight = np.zeros((1, 4, 3, 3), np.float32), cases.values(1, (2, 4, 1, 1))
    bias = np.array([0.75, -0.75], np.float32)
    target = Map((1, 2, 1, 1))
    layer = _kernels.Classifier(table, cases.weights(weight), cases.weights(bias), 1)
    cases.run_layer(layer, 1, cases.filled(x), target)
    np.testing.assert_array_equal(target.nchw.ravel(), [0.75, 0.0])


def test_the_same_bits_for_any_number_of_threads(table: _kernels.Float32Kernels) -> None:
    x = cases.values(1, (3, 33, 7, 5), cases.RELU)
    layer = _kernels.Classifier(
        table,
        cases.weights(cases.values(2, (130, 33, 1, 1))),
        cases.weights(cases.values(3, (130,))),
    )
    results = set()
    for threads in cases.POOLS:
        target = Map((3, 130, 1, 1))
        cases.run_layer(layer, threads, cases.filled(x), target)
        results.add(target.nchw.tobytes())
    assert len(results) == 1
