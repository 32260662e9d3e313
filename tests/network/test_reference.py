"""The reference itself, against plain loops over the definitions and values computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sqznet.network import layers, reference, variants

from ..support import networks

Array = Any


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def conv2d_by_loops(x: Array, weight: Array, bias: Array, stride: int, padding: int) -> Array:
    n, _, height, width = x.shape
    out, cin, kh, kw = weight.shape
    y = np.zeros(
        (
            n,
            out,
            (height + 2 * padding - kh) // stride + 1,
            (width + 2 * padding - kw) // stride + 1,
        )
    )
    for image, o, row, column in np.ndindex(*y.shape):
        total = bias[o]
        for i, dy, dx in np.ndindex(cin, kh, kw):
            v, u = row * stride + dy - padding, column * stride + dx - padding
            if 0 <= v < height and 0 <= u < width:
                total += weight[o, i, dy, dx] * x[image, i, v, u]
        y[image, o, row, column] = total
    return y


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 3)])
def test_conv2d(kernel: tuple[int, int], padding: int, stride: int) -> None:
    x, weight, bias = draw(2, 3, 5, 6), draw(4, 3, *kernel, seed=1), draw(4, seed=2)
    expected = conv2d_by_loops(x, weight, bias, stride, padding)
    found = reference.conv2d(x, weight, bias, stride, padding)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("ceil_mode", [True, False])
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (5, 6), (7, 8), (9, 4)])
def test_max_pool(size: tuple[int, int], ceil_mode: bool) -> None:
    x = draw(2, 3, *size) - 10.0  # padding with zeros would show
    sides = [len(range(0, side - (1 if ceil_mode else 2), 2)) for side in size]
    expected = np.empty((2, 3, *sides))
    for n, c, row, column in np.ndindex(*expected.shape):
        window = x[n, c, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        expected[n, c, row, column] = window.max()
    np.testing.assert_array_equal(reference.max_pool(x, ceil_mode), expected)


def test_fire_concatenates_expand1x1_first() -> None:
    x = np.array([[[[1.0, 2.0], [3.0, -4.0]]]])
    squeeze = (np.array([[[[1.0]]]]), np.zeros(1))
    expand1 = (np.array([[[[10.0]]], [[[-1.0]]]]), np.array([0.0, 2.5]))
    expand3 = (np.ones((1, 1, 3, 3)), np.zeros(1))
    expected = [[[10, 20], [30, 0]], [[1.5, 0.5], [0, 2.5]], [[6, 6], [6, 6]]]
    np.testing.assert_array_equal(reference.fire(x, squeeze, expand1, expand3)[0], expected)


def test_classifier_clips_before_it_averages() -> None:
    x = np.array([[[[1.0, -3.0]]]])
    weight, bias = np.array([[[[1.0]]], [[[-1.0]]]]), np.array([0.5, 0.0])
    np.testing.assert_array_equal(reference.classifier(x, weight, bias), [[0.75, 1.5]])
    # Two pixels, and ten border pixels that give only the bias.
    padded = reference.classifier(x, weight, bias, padding=1)
    np.testing.assert_allclose(padded, [[(1.5 + 10 * 0.5) / 12, 3.0 / 12]], rtol=1e-15)


def test_softmax() -> None:
    logits = np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 2.0]]) + np.array([[1000.0], [-1000.0]])
    expected = [[0.125, 0.25, 0.625], [0.25, 0.25, 0.5]]
    np.testing.assert_allclose(reference.softmax(logits), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("bypass", "wiring"),
    [
        ("", variants.Wiring()),
        ("simple", variants.Wiring()),
        ("complex", variants.Wiring()),
        ("", variants.Wiring(conv1_padding=2, conv10_padding=1, ceil_mode=False)),
    ],
)
def test_forward_follows_the_layers(bypass: str, wiring: variants.Wiring) -> None:
    """The 1.1 network written out step by step, with the bypasses where the papers draw them."""
    made = networks.tensors("squeezenet1_1", bypass=bypass)
    variant = f"squeezenet1_1_{bypass}_bypass" if bypass else "squeezenet1_1"
    x = networks.inputs(0, 2, 37, 41)

    def pair(name: str) -> tuple[Array, Array]:
        return made[f"{name}.weight"], made[f"{name}.bias"]

    def fire(position: int, y: Array) -> Array:
        name = f"features.{position}"
        parts = [pair(f"{name}.{part}") for part in ("squeeze", "expand1x1", "expand3x3")]
        return reference.fire(y, *parts)

    def project(position: int, y: Array) -> Array:
        if bypass == "complex":
            return reference.conv2d(y, *pair(f"features.{position}.bypass"))
        return np.zeros(1)

    def keep(y: Array) -> Array:
        return y if bypass else np.zeros(1)

    weight, bias = pair("features.0")
    y = reference.relu(reference.conv2d(x, weight, bias, 2, wiring.conv1_padding))
    for changing, keeping, pooled in ((3, 4, True), (6, 7, True), (9, 10, False), (11, 12, False)):
        y = reference.max_pool(y, wiring.ceil_mode) if pooled or changing == 9 else y
        y = fire(changing, y) + project(changing, y)
        y = fire(keeping, y) + keep(y)
    weight, bias = pair("classifier.1")
    expected = reference.classifier(y, weight, bias, wiring.conv10_padding)
    network = networks.network(made, variant, wiring)
    assert network.variant == variant
    np.testing.assert_allclose(reference.forward(network, made, x), expected, rtol=1e-12)


def test_forward_of_no_images() -> None:
    made = networks.tensors("squeezenet1_0")
    x = np.zeros((0, 3, 40, 40), np.float32)
    assert reference.forward(networks.network(made), made, x).shape == (0, 7)
    assert isinstance(networks.network(made), layers.Network)
