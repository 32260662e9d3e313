"""The gradients of a float network's outputs with respect to the sums of its convolutions.

One photo at a time, by the package's own convolutions: a convolution's gradient is a convolution
with the transposed weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from sqznet import _kernels
from sqznet.calibration.convolution import FloatConv, bordered
from sqznet.compression.maps import Floats, pooled
from sqznet.network.layers import (
    INPUT,
    Classifier,
    Conv,
    Fire,
    Joined,
    Layer,
    MaxPool,
    Network,
)


class Trace(NamedTuple):
    """What a network made of one photo; maps are (1, H, W, C).

    outputs: by the name of a layer of the trunk, or of the output of a branch; "logits" is
    (classes,). inner: for each branch, by its output, what its layers and their convolutions read
    and made, before an addition and after a ReLU.
    """

    outputs: dict[str, Floats]
    inner: dict[str, dict[str, Floats]]


class Differentiable:
    """A network of float32 ``tensors``."""

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
            stride = strides.get(name, 1)
            self._forward[name] = FloatConv(kernels, pool, weight, bias, stride)
            turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
            none = np.zeros(len(turned), np.float32)
            if stride == 1:  # only the first has another, and nothing needs the photo's gradient
                self._backward[name] = FloatConv(kernels, pool, turned, none, 1)

    def forward(self, x: Floats) -> Trace:
        """What the network makes of an input."""
        trace = Trace({INPUT: x}, {})
        for branch in self._network.branches:
            x = trace.outputs[branch.input]
            maps = trace.inner[branch.output] = {}
            for layer in branch.layers:
                maps[f"{layer.name}.input"] = x
                x = maps[layer.name] = self._run(layer, x, maps)
                if branch.input == INPUT:
                    trace.outputs[layer.name] = x
            trace.outputs[branch.output] = x
        return trace

    def backward(self, trace: Trace, outputs: Mapping[str, Floats]) -> dict[str, list[Floats]]:
        """The gradients with respect to the sums of each convolution, by its name, one for each
        branch that it is a part of, in their order.

        ``trace``: of `forward`. ``outputs``: the gradients with respect to the heads' outputs.
        """
        found: dict[str, list[Floats]] = {}
        left: dict[str, Any] = dict(outputs)
        for branch in reversed(self._network.branches):
            maps = trace.inner[branch.output]
            gradient = left.pop(branch.output, 0.0)
            for layer in reversed(branch.layers):
                gradient = gradient + left.pop(layer.name, 0.0)
                if isinstance(gradient, float):
                    continue  # no head reads this layer
                own: dict[str, Floats] = {}
                gradient = self._back(layer, maps, gradient, own)
                for name, values in own.items():
                    found.setdefault(name, []).insert(0, values)
            if branch.input != INPUT:
                left[branch.input] = left.get(branch.input, 0.0) + gradient
        return found

    def _back(
        self, layer: Layer, maps: Mapping[str, Floats], gradient: Floats, found: dict[str, Floats]
    ) -> Any:
        """The gradient with respect to what the layer reads, or to its sums if that is the
        photo."""
        if isinstance(layer, Classifier):
            return self._classifier(layer, maps, gradient, found)
        if isinstance(layer, MaxPool):
            return _unpooled(maps[f"{layer.name}.input"], maps[layer.name], gradient)
        if isinstance(layer, Fire):
            return self._fire(layer, maps, gradient, found)
        if isinstance(layer, Joined):
            return self._joined(layer, gradient, found)
        found[layer.name] = gradient * (maps[layer.name] > 0)
        below = self._backward.get(layer.name)
        return below(found[layer.name]) if below else found[layer.name]

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
        if isinstance(layer, Joined):
            made = [self._conv(part.name, x) for part in layer.parts]
            return np.concatenate(made, axis=3)
        assert isinstance(layer, Fire)  # the others are a SqueezeDet's
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

    def _joined(self, layer: Joined, gradient: Floats, found: dict[str, Floats]) -> Any:
        below: Any = 0.0
        start = 0
        for part in layer.parts:
            own = gradient[..., start : start + part.channels]
            start += part.channels
            found[part.name] = own
            below = below + self._backward[part.name](own)
        return below


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
