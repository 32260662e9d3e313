"""The gradients of a float network's logits with respect to the sums of its convolutions.

One photo at a time, by the package's own convolutions: a convolution's gradient is a convolution
with the transposed weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sqznet import _kernels
from sqznet.calibration.convolution import FloatConv, bordered
from sqznet.compression.maps import Floats, pooled
from sqznet.network.layers import INPUT, Classifier, Conv, Fire, Layer, MaxPool, Network


class Differentiable:
    """A network of float32 ``tensors`` with a classifier; maps are (1, H, W, C)."""

    def __init__(
        self,
        network: Network,
        tensors: Mapping[str, Any],
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
    ) -> None:
        self._network = network
        strides = {layer.name: layer.stride for layer in network.layers if isinstance(layer, Conv)}
        self._forward: dict[str, FloatConv] = {}
        self._backward: dict[str, FloatConv] = {}
        for name in network.convolutions:
            weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
            self._forward[name] = FloatConv(kernels, pool, weight, bias, strides.get(name, 1))
            turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
            none = np.zeros(len(turned), np.float32)
            if name not in strides:  # nothing needs the gradient of the photo
                self._backward[name] = FloatConv(kernels, pool, turned, none, 1)

    def forward(self, x: Floats) -> dict[str, Floats]:
        """The output of each layer and convolution, before an addition and after a ReLU, by its
        name; "logits" (classes,)."""
        maps: dict[str, Floats] = {INPUT: x}
        for branch in self._network.branches:
            x = maps[branch.input]
            for layer in branch.layers:
                maps[f"{layer.name}.input"] = x
                x = maps[layer.name] = self._run(layer, x, maps)
            maps[branch.output] = x
        return maps

    def backward(self, maps: Mapping[str, Floats], logits: Floats) -> dict[str, Floats]:
        """The gradients with respect to the sums of each convolution, by its name, for a gradient
        ``logits`` (classes,). ``maps``: of `forward`."""
        found: dict[str, Floats] = {}
        gradients: dict[str, Any] = {}
        for branch in reversed(self._network.branches):
            gradient = gradients.pop(branch.output, None)
            for layer in reversed(branch.layers):
                x = maps[f"{layer.name}.input"]
                if isinstance(layer, Classifier):
                    gradient = self._classifier(layer, maps, logits, found)
                elif isinstance(layer, MaxPool):
                    gradient = _unpooled(x, maps[layer.name], gradient)
                elif isinstance(layer, Fire):
                    gradient = self._fire(layer, maps, gradient, found)
                else:
                    found[layer.name] = gradient * (maps[layer.name] > 0)
            gradients[branch.input] = gradient
        return found

    def _conv(self, name: str, x: Floats, padding: int = 0) -> Floats:
        return self._forward[name](bordered(x, padding, 0.0))

    def _run(self, layer: Layer, x: Floats, maps: dict[str, Floats]) -> Floats:
        if isinstance(layer, MaxPool):
            return pooled(x, layer.ceil_mode)
        if isinstance(layer, Conv):
            return np.maximum(self._conv(layer.name, x, layer.padding), 0.0)
        if isinstance(layer, Classifier):
            y = self._conv(layer.name, x, layer.padding)
            maps[f"{layer.name}.sums"] = np.maximum(y, 0.0) if layer.relu else y
            return np.asarray(maps[f"{layer.name}.sums"].mean(axis=(0, 1, 2)), np.float32)
        assert isinstance(layer, Fire)  # the layers of detectors do not come here
        parts: dict[str, Floats] = {}
        for part, padding in (("squeeze", 0), ("expand1x1", 0), ("expand3x3", 1)):
            read = x if part == "squeeze" else parts["squeeze"]
            parts[part] = np.maximum(self._conv(f"{layer.name}.{part}", read, padding), 0.0)
            maps[f"{layer.name}.{part}"] = parts[part]
        own = np.concatenate([parts["expand1x1"], parts["expand3x3"]], axis=3)
        if layer.bypass == "complex":
            own = own + self._conv(f"{layer.name}.bypass", x)
        return own + x if layer.bypass == "simple" else own

    def _classifier(
        self,
        layer: Classifier,
        maps: Mapping[str, Floats],
        logits: Floats,
        found: dict[str, Floats],
    ) -> Floats:
        sums = maps[f"{layer.name}.sums"]
        positions = sums.shape[1] * sums.shape[2]
        gradient = np.broadcast_to(logits / np.float32(positions), sums.shape)
        found[layer.name] = gradient * (sums > 0) if layer.relu else gradient
        inner = self._backward[layer.name](found[layer.name])
        border = layer.padding
        return inner[:, border : inner.shape[1] - border, border : inner.shape[2] - border]

    def _fire(
        self, layer: Fire, maps: Mapping[str, Floats], gradient: Floats, found: dict[str, Floats]
    ) -> Floats:
        halves = (gradient[..., : layer.expand1x1], gradient[..., layer.expand1x1 :])
        squeezed: Any = 0.0
        for part, half, padding in zip(("expand1x1", "expand3x3"), halves, (0, 1), strict=True):
            name = f"{layer.name}.{part}"
            found[name] = half * (maps[name] > 0)
            squeezed = squeezed + self._backward[name](bordered(found[name], padding, 0.0))
        name = f"{layer.name}.squeeze"
        found[name] = squeezed * (maps[name] > 0)
        below = self._backward[name](found[name])
        if layer.bypass == "complex":
            name = f"{layer.name}.bypass"
            found[name] = gradient
            below = below + self._backward[name](np.ascontiguousarray(gradient))
        return below + gradient if layer.bypass == "simple" else below


def _unpooled(x: Floats, y: Floats, gradient: Floats) -> Floats:
    """Each window's gradient goes to where its largest value is."""
    found = np.zeros_like(x)
    for row in range(3):
        for column in range(3):
            part = (slice(None), slice(row, None, 2), slice(column, None, 2))
            read = x[part]
            height, width = min(read.shape[1], y.shape[1]), min(read.shape[2], y.shape[2])
            inside = (slice(None), slice(height), slice(width))
            found[part][inside] += gradient[inside] * (read[inside] == y[inside])
    return found
