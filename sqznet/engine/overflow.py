"""Tells whether a network's values can leave the range of float32, in which they would become
infinite or, after a ReLU, silently 0.

The largest magnitude of a convolution's output is at most the largest sum of the magnitudes of the
weights of one output channel, times the largest magnitude of its input, plus the largest bias. Of
inputs that a ReLU left, which are not negative, only the positive weights count if a ReLU follows.
With such bounds from layer to layer, a published network is safe for inputs far beyond any photo,
at no cost while it runs. Where they prove nothing, the maps of a run are looked at, and each
layer's bound is computed from what its input really was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce

from sqznet import _kernels
from sqznet.engine.program import Workspace
from sqznet.errors import WeightsError
from sqznet.network.layers import INPUT, Fire, Joined, Layer, MaxPool, Network

# The largest finite float32 is 3.4e38. Winograd's algorithm computes with multiples of the values,
# at most a million times as large.
_LIMIT = 3e32


class Norm:
    """Of a convolution: the largest sum of magnitudes of an output channel's weights, the largest
    sum of its positive weights, and the largest magnitude of a bias."""

    def __init__(self, weight: float, positive: float, bias: float) -> None:
        self.weight = weight
        self.positive = positive
        self.bias = bias


class Line:
    """The bound factor * x + constant, for inputs of the network with magnitudes up to x."""

    def __init__(self, factor: float, constant: float) -> None:
        self.factor = factor
        self.constant = constant

    def through(self, weight: float, bias: float) -> Line:
        return Line(weight * self.factor, weight * self.constant + bias)

    def __add__(self, other: Line) -> Line:
        return Line(self.factor + other.factor, self.constant + other.constant)

    def either(self, other: Line) -> Line:
        return Line(max(self.factor, other.factor), max(self.constant, other.constant))

    def largest_input(self) -> float:
        """The input with which the bound reaches the limit; 0 if there is none."""
        if self.factor == 0:
            return math.inf if self.constant <= _LIMIT else 0.0
        x = (_LIMIT - self.constant) / self.factor
        return x if x > 0 else 0.0  # if it is not a number, too


class Bound:
    """Bounds of a layer's map and of all sums on the way to it, and whether the map may hold
    negative values."""

    def __init__(self, values: Line, sums: Line, signed: bool) -> None:
        self.values = values
        self.sums = sums
        self.signed = signed

    def either(self, other: Bound) -> Bound:
        """Of two maps side by side."""
        values, sums = self.values.either(other.values), self.sums.either(other.sums)
        return Bound(values, sums, self.signed or other.signed)

    def __add__(self, other: Bound) -> Bound:
        values = self.values + other.values
        sums = self.sums.either(other.sums).either(values)
        return Bound(values, sums, self.signed or other.signed)


class Bounds:
    """The bounds of a network whose convolutions have these norms, by the names of their tensors.

    ``safe_input``: for inputs of up to this magnitude, no value can overflow; 0 if the bounds prove
    it for none.
    """

    def __init__(self, network: Network, norms: Mapping[str, Norm], origin: str) -> None:
        self._network = network
        self._norms = norms
        self._origin = origin
        self.safe_input = _LIMIT
        line = Line(1.0, 0.0)
        bounds = {INPUT: Bound(line, line, signed=True)}
        for branch in network.branches:
            bound = bounds[branch.input]
            for layer in branch.layers:
                bound = bounds[layer.name] = self._through(layer, bound)
                self.safe_input = min(self.safe_input, bound.sums.largest_input())
            bounds[branch.output] = bound

    def check(self, workspace: Workspace, largest_input: float) -> None:
        """Raises WeightsError, naming the layer, if a value of this run may have overflowed.

        ``workspace``: after a run, with the maps of all layers among its outputs.
        """
        names = iter(self._network.map_names)
        reached = {INPUT: _seen(largest_input, signed=True)}
        for branch in self._network.branches:
            bound = reached[branch.input]
            for layer in branch.layers:
                bound = self._through(layer, bound)
                if not bound.sums.constant <= _LIMIT:
                    raise WeightsError(
                        f"{self._origin}: for an input of up to {largest_input:.3g}, {layer.name} "
                        f"computes values of up to {bound.sums.constant:.1g}, beyond the range of "
                        "float32; these weights are damaged, or need other preprocessing"
                    )
                largest = _largest(workspace.outputs[next(names)])
                bound = reached[layer.name] = _seen(largest, bound.signed)
            reached[branch.output] = bound

    def _through(self, layer: Layer, x: Bound) -> Bound:
        """The bounds of what the layer computes, for those of its input."""
        if isinstance(layer, MaxPool):
            return x
        if isinstance(layer, Joined):
            return reduce(
                Bound.either, (self._conv(part.name, x, part.relu) for part in layer.parts)
            )
        if not isinstance(layer, Fire):
            return self._conv(layer.name, x, layer.relu)
        squeezed = self._conv(f"{layer.name}.squeeze", x)
        ones, threes = (
            self._conv(f"{layer.name}.{part}", squeezed) for part in ("expand1x1", "expand3x3")
        )
        y = ones.either(threes)
        y = Bound(y.values, y.sums.either(squeezed.sums), y.signed)
        if layer.bypass == "simple":
            return y + x
        if layer.bypass == "complex":
            return y + self._conv(f"{layer.name}.bypass", x, relu=False)
        return y

    def _conv(self, name: str, x: Bound, relu: bool = True) -> Bound:
        """Of values that are not negative, the positive weights make the largest sum, and a ReLU
        leaves nothing of the others."""
        norm = self._norms[name]
        sums = x.values.through(norm.weight, norm.bias)
        positive = relu and not x.signed
        values = x.values.through(norm.positive, norm.bias) if positive else sums
        return Bound(values, sums, signed=not relu)


def _seen(largest: float, signed: bool) -> Bound:
    line = Line(0.0, largest)
    return Bound(line, line, signed)


def _largest(x: _kernels.Tensor) -> float:
    import numpy as np

    return float(np.abs(np.asarray(x)).max(initial=0.0))
