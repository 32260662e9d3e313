"""Completes a description that has only the scales of the maps, from the weights."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sqznet.network.layers import Network
from sqznet.quantization.description import MAX_BIAS, ConvIntegers, Integers
from sqznet.quantization.integers import LARGEST_WEIGHT, quantized
from sqznet.quantization.plan import plan

# Scales of a row of weights that are tried, from 0.4 of the one that clips nothing. With finer ones
# the divergence is the same.
_STEPS = np.linspace(0.4, 1.0, 13, dtype=np.float32)


def completed(network: Network, integers: Integers, tensor: Callable[[str], Any]) -> Integers:
    """The description with weight scales and biases for all convolutions.

    ``tensor`` gives the float32 tensor with a name. The scale of a row of weights is the one with
    the least squared error, of a few; a bias is rounded, with what the zero points of the inputs
    add. Raises WeightsError if the description belongs to another network.
    """
    shapes = network.tensors()
    empty = {
        name: conv._replace(
            weight_scales=array("f", [1.0] * shapes[f"{name}.weight"][0]),
            bias=array("i", [0] * shapes[f"{name}.weight"][0]),
        )
        if f"{name}.weight" in shapes
        else conv
        for name, conv in integers.convs.items()
    }
    planned = plan(network, integers._replace(convs=empty))
    convs = {}
    for name, conv in planned.convs.items():
        weight, bias = tensor(f"{name}.weight"), np.float64(tensor(f"{name}.bias"))
        zeros: Any = np.frombuffer(conv.border, np.uint8)
        if name == network.trunk[0].name:
            zeros = np.array(integers.mean)
        scales = _scales(weight, conv.input_scales, np.abs(bias) / MAX_BIAS * 4)
        whole = quantized(weight, conv.input_scales, scales)
        moved = np.einsum("oikl,i->o", np.float64(whole), zeros)
        rounded = np.clip(np.rint(bias / scales - moved), -MAX_BIAS, MAX_BIAS)
        convs[name] = ConvIntegers(
            array("f", scales.tolist()),
            array("i", map(int, rounded)),
            integers.convs[name].output_scales,
        )
    return integers._replace(convs=convs)


def _scales(weight: Any, input_scales: Any, least: Any) -> npt.NDArray[np.float32]:
    """A scale for each row, at least ``least`` (O,)."""
    folded = (weight * np.float32(input_scales)[:, None, None]).reshape(len(weight), -1)
    largest = np.abs(folded).max(axis=1)
    whole = np.where(largest > 0, largest, np.float32(1.0)) / np.float32(LARGEST_WEIGHT)
    whole = np.maximum(whole, np.float32(least))
    best, chosen = np.full(len(weight), np.inf), whole
    for step in _STEPS:
        scales = np.maximum(whole * step, np.float32(least))[:, None]
        rounded = np.clip(np.rint(folded / scales), -LARGEST_WEIGHT, LARGEST_WEIGHT) * scales
        errors = np.square(rounded - folded).sum(axis=1)
        chosen = np.where(errors < best, scales[:, 0], chosen)
        best = np.minimum(errors, best)
    return np.asarray(chosen, np.float32)
