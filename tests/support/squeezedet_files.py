"""Small SqueezeDets with random weights, as variables of TensorFlow and as files of Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sqznet.network.variants import TOPOLOGIES
from sqznet.weights.naming import torchvision_name

from . import keras_files, networks

Array = Any

ANCHORS, CLASSES = 9, 3

# Squeeze, expand 1x1 and expand 3x3 of fire10 and fire11.
_DEEP = ((6, 8, 9), (5, 9, 8))


def layers(plus: bool = False, seed: int = 0, classes: int = CLASSES) -> keras_files.Layers:
    """Name, kernel (HWIO) and bias of each convolution; SqueezeDet+ if ``plus``."""
    base = "squeezenet1_0" if plus else "squeezenet1_1"
    rng = np.random.default_rng(seed)
    found = keras_files.layers(networks.tensors(base, seed=seed), base, top=False)

    def conv(name: str, kernel: int, cin: int, out: int, scale: float = 1.0) -> None:
        deviation = scale * (2.0 / (cin * kernel * kernel)) ** 0.5
        weight = rng.normal(0, deviation, (kernel, kernel, cin, out)).astype(np.float32)
        found.append((name, weight, rng.normal(0.1, 0.1, out).astype(np.float32)))

    channels = sum(networks.FIRES[-1][1:])
    for number, (squeeze, ones, threes) in enumerate(_DEEP, 10):
        conv(f"fire{number}/squeeze1x1", 1, channels, squeeze)
        conv(f"fire{number}/expand1x1", 1, squeeze, ones)
        conv(f"fire{number}/expand3x3", 3, squeeze, threes)
        channels = ones + threes
    # Small weights, so that scores and sides are not all at their limits.
    conv("conv12", 3, channels, ANCHORS * (classes + 5), scale=0.05)
    return found


def variables(given: keras_files.Layers) -> dict[str, Array]:
    """As TensorFlow names them, with the momenta of a training and its counter."""
    found: dict[str, Array] = {"global_step:0": np.array(3)}
    for name, kernel, bias in given:
        found |= {f"{name}/kernels": kernel, f"{name}/biases": bias}
        found[f"{name}/kernels/Momentum"] = np.zeros_like(kernel)
    return found


def save_npz(path: Path, given: keras_files.Layers) -> Path:
    np.savez(path, **variables(given))
    return path


def tensors(given: keras_files.Layers, plus: bool = False) -> dict[str, Array]:
    """OIHW by our names, the stem as it is: for the reference."""
    base = "squeezenet1_0" if plus else "squeezenet1_1"
    found = {}
    for name, kernel, bias in given:
        ours = torchvision_name(name, base) or f"head.{name.replace('/', '.')}"
        ours = ours.replace("squeeze1x1", "squeeze")
        found |= {f"{ours}.weight": kernel.transpose(3, 2, 0, 1), f"{ours}.bias": bias}
    return found


def outputs(made: dict[str, Array], x: Array, plus: bool = False) -> Array:
    """What the program computes for an input (N, 3, H, W), in float64: layer by layer, with
    TensorFlow's padding."""
    from sqznet.network import reference

    topology = TOPOLOGIES["squeezenet1_0" if plus else "squeezenet1_1"]

    def pair(name: str) -> tuple[Array, Array]:
        return made[f"{name}.weight"], made[f"{name}.bias"]

    def fire(name: str, x: Array) -> Array:
        parts = ("squeeze", "expand1x1", "expand3x3")
        return reference.fire(x, *(pair(f"{name}.{part}") for part in parts))

    if not plus:  # SAME: an even side gets zeros at its end only
        x = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))
    y = np.maximum(reference.conv2d(x, *pair("features.0"), stride=2), 0)
    for position in sorted(topology.fires + topology.pools):
        if position in topology.pools:
            y = reference.max_pool(y, ceil_mode=not plus)
        else:
            y = fire(f"features.{position}", y)
    for name in ("head.fire10", "head.fire11"):
        y = fire(name, y)
    return reference.conv2d(y, *pair("head.conv12"), padding=1)
