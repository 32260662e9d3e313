"""Tells whether a network's values can leave the range of float32, in which they would become
infinite or, after a ReLU, silently 0.

The largest magnitude of a convolution's output is at most the largest sum of the magnitudes of the
weights of one output channel, times the largest magnitude of its input, plus the largest bias. With
such bounds from layer to layer, a published network is safe for inputs far beyond any photo, at no
cost while it runs. Where they prove nothing, the maps of a run are looked at, and each layer's
bound is computed from what its input really was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple

from sqznet import _kernels
from sqznet.engine.program import Workspace
from sqznet.errors import WeightsError
from sqznet.network.layers import INPUT, Fire, Joined, Layer, MaxPool, Network

# The largest finite float32 is 3.4e38. Winograd's algorithm computes with multiples of the values,
# at most a million times as large.
_LIMIT = 3e32


class Norm(NamedTuple):
    """Of a convolution: the largest sum of magnitudes of an output channel's weights, and the
    largest magnitude of a bias."""

    weight: float
    bias: float


class Line(NamedTuple):
    """The bound factor * x + constant, for inputs of the network with magnitudes up to x."""

    factor: float
    constant: float

    def through(self, norm: Norm) -> Line:
        return Line(norm.weight * self.factor, norm.weight * self.constant + norm.bias)

    def __add__(self, other: object) -> Line:
        if not isinstance(other, Line):
            return NotImplemented
        return Line(self.factor + other.factor, self.constant + other.constant)

    def either(self, other: Line) -> Line:
        return Line(max(self.factor, other.factor), max(self.constant, other.constant))

    def largest_input(self) -> float:
        """The input with which the bound reaches the limit; 0 if there is none."""
        if self.factor == 0:
            return math.inf if self.constant <= _LIMIT else 0.0
        x = (_LIMIT - self.constant) / self.factor
        return x if x > 0 else 0.0  # if it is not a number, too


class Bounds:
    """The bounds of a network whose convolutions have these norms, by the names of their tensors.

    ``safe_input``: for inputs of up to this magnitude, no value can overflow; 0 if the bounds prove
    it for none.
    """

    def __init__(self, network: Network, norms: Mapping[str, Norm], origin: str) -> None:
        self._network = network
        self._norms = norms
        self._origin = origin
        names = [layer.name for layer in network.layers]
        self._shared = {name for name in names if names.count(name) > 1}
        lines = {INPUT: Line(1.0, 0.0)}
        self.safe_input = _LIMIT
        for branch in network.branches:
            line = lines[branch.input]
            for layer in branch.layers:
                line = lines[layer.name] = self._through(layer, line)
                self.safe_input = min(self.safe_input, line.largest_input())
            lines[branch.output] = line

    def check(self, workspace: Workspace, largest_input: float) -> None:
        """Raises WeightsError, naming the layer, if a value of this run may have overflowed.

        ``workspace``: after a run, with the maps of all layers among its outputs.
        """
        reached = {INPUT: largest_input}
        for branch in self._network.branches:
            largest = reached[branch.input]
            for layer in branch.layers:
                bound = self._through(layer, Line(0.0, largest)).constant
                if not bound <= _LIMIT:
                    raise WeightsError(
                        f"{self._origin}: for an input of up to {largest_input:.3g}, {layer.name} "
                        f"computes values of up to {bound:.1g}, beyond the range of float32; these "
                        "weights are damaged, or need other preprocessing"
                    )
                # Of a layer that branches share, only the last map is left.
                shared = layer.name in self._shared
                largest = bound if shared else _largest(workspace.outputs[layer.name])
                reached[layer.name] = largest
            reached[branch.output] = largest

    def _through(self, layer: Layer, x: Line) -> Line:
        """The bound of all values that the layer computes, for this bound of its input."""
        if isinstance(layer, MaxPool):
            return x
        if isinstance(layer, Joined):
            first, *others = (x.through(self._norms[part.name]) for part in layer.parts)
            return reduce(Line.either, others, first)
        if not isinstance(layer, Fire):
            return x.through(self._norms[layer.name])
        squeezed = x.through(self._norms[f"{layer.name}.squeeze"])
        ones, threes = (
            squeezed.through(self._norms[f"{layer.name}.{part}"])
            for part in ("expand1x1", "expand3x3")
        )
        y = squeezed.either(ones).either(threes)
        if layer.bypass == "simple":
            return y + x
        if layer.bypass == "complex":
            return y + x.through(self._norms[f"{layer.name}.bypass"])
        return y


def _largest(x: _kernels.Tensor) -> float:
    import numpy as np

    return float(np.abs(np.asarray(x)).max(initial=0.0))
