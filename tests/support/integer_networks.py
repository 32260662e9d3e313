"""Small networks of integers with scales drawn at random."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from sqznet.images.preprocessing import Preprocessing
from sqznet.network.layers import Classifier, Conv, Fire, Layer, Network
from sqznet.network.variants import Wiring
from sqznet.quantization.description import ConvIntegers, Integers, SumIntegers
from sqznet.quantization.integers import IntegerConv, integer_convs
from sqznet.quantization.plan import Plan, plan
from sqznet.weights import metadata
from sqznet.weights.integers import integers_text
from sqznet.weights.writers.safetensors import pack

from . import networks

MEAN, STD = (103.939, 116.779, 123.68), (1.0, 2.0, 0.5)


def described(network: Network, seed: int = 0, spread: bool = True) -> Integers:
    """Integers whose sums fill the bytes of most maps; `spread`: a scale for each channel."""
    rng = np.random.default_rng(seed)
    convs: dict[str, ConvIntegers] = {}
    sums: dict[str, SumIntegers] = {}

    def scales(mean: float, count: int) -> array[float]:
        return array("f", mean * rng.uniform(0.5, 1.5, count))

    def conv(name: str, inputs: int, out: int, stays: bool = False) -> None:
        grid = array("f") if stays else scales(0.05, out if spread else 1)
        bias = array("i", rng.integers(-3000, 6000, out).tolist())
        convs[name] = ConvIntegers(scales(4e-4 / inputs**0.5, out), bias, grid)

    def add(layer: Layer, inputs: int) -> None:
        if isinstance(layer, Conv):
            conv(layer.name, inputs, layer.channels)
        elif isinstance(layer, Classifier):
            conv(layer.name, inputs, layer.classes, stays=True)
        elif isinstance(layer, Fire):
            conv(f"{layer.name}.squeeze", inputs, layer.squeeze)
            conv(f"{layer.name}.expand1x1", layer.squeeze, layer.expand1x1)
            conv(f"{layer.name}.expand3x3", layer.squeeze, layer.expand3x3)
            if layer.bypass == "complex":
                conv(f"{layer.name}.bypass", inputs, layer.channels, stays=True)
            if layer.bypass is not None:
                zero = 60 if layer.bypass == "complex" else 0
                channels = layer.channels if spread else 1
                sums[layer.name] = SumIntegers(scales(0.1, channels), zero)

    for layer, inputs in network.inputs():
        add(layer, inputs)
    return Integers(MEAN, STD, convs, sums)


def planned(
    network: Network, made: Mapping[str, Any], seed: int = 0
) -> tuple[Plan, Mapping[str, IntegerConv]]:
    """The plan and the integers of a network with these tensors."""
    found = plan(network, described(network, seed))
    return found, integer_convs(found, lambda name: made[f"{name}.weight"])


def photos(seed: int, n: int, height: int, width: int) -> Any:
    """Gray levels, uint8 (N, H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


def small_file() -> bytes:
    """A safetensors file of int8 weights."""
    made = networks.tensors(classes=3)
    network = networks.network(made)
    integers = described(network)
    pixels = Preprocessing(64, "squash", "bgr", MEAN, STD)
    stated = metadata.dump(network.variant, pixels, None, Wiring(), integers_text(integers))
    convs = integer_convs(plan(network, integers), lambda name: made[f"{name}.weight"])
    stored = {
        **{name: ("F32", array.shape, array.tobytes()) for name, array in made.items()},
        **{
            f"{name}.weight": ("I8", conv.weight.shape, conv.weight.tobytes())
            for name, conv in convs.items()
        },
    }
    return pack(stated, ((name, *entry) for name, entry in stored.items()))
