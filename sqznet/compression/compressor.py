"""Walks through a network, layer by layer, and rounds its weights with photos.

Every convolution is rounded with the inputs that the layers before it, which are rounded already,
give it, so that later layers make up for what earlier ones lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sqznet import _kernels
from sqznet.calibration.convolution import FloatConv, bordered
from sqznet.compression import rounding
from sqznet.compression.encoding import Coded, weights
from sqznet.compression.maps import Floats, pooled, windows
from sqznet.network.layers import Branch, Classifier, Conv, Fire, Joined, Layer, MaxPool, Network

# Samples of a convolution's inputs, over all photos.
_SAMPLES = 40_000

# The best classes of each photo that decide how the classifier is rounded, the parts that they have
# beside all positions, and what is added to their weights p (1 - p).
_BEST, _PARTS, _LEAST_WEIGHT = 24, 4.0, 0.002


class Maps(NamedTuple):
    """A layer's outputs (1, H, W, C) for each photo, in the float network and in the rounded."""

    exact: Sequence[Floats]
    rounded: Sequence[Floats]


class Gathered(NamedTuple):
    """What a convolution was rounded with."""

    name: str
    shape: tuple[int, ...]
    weight: Any
    bias: Any
    statistics: rounding.Statistics
    importance: Any

    def coded(self, coarseness: float) -> Coded:
        """The convolution, rounded."""
        rows, columns = rounding.steps(self.statistics, self.importance, coarseness)
        integers = rounding.rounded(self.statistics, rows, columns)
        made = weights(integers, rows, columns)
        bias = rounding.corrected_bias(self.statistics, self.bias, self.weight, made)
        return Coded(self.name, self.shape, integers, rows, columns, bias.astype(np.float16))


class Compressor:
    """``tensors``: float32 by name. ``importance``: for each convolution, what a squared error of
    each output costs (O,). ``advance`` is called after every convolution."""

    def __init__(
        self,
        network: Network,
        tensors: Mapping[str, Any],
        importance: Mapping[str, Any],
        kernels: _kernels.Kernels,
        pool: _kernels.ThreadPool,
        advance: Callable[[], None],
    ) -> None:
        self._network = network
        self._tensors = tensors
        self._importance = importance
        self._kernels = kernels
        self._pool = pool
        self._advance = advance

    def compress(self, photos: Sequence[Floats], coarseness: float) -> list[Gathered]:
        """Rounds all convolutions, for inputs (1, H, W, 3) of the network. See `rounding.steps`."""
        self._random = np.random.default_rng(0)
        self._coarseness = coarseness
        self._gathered: list[Gathered] = []
        x = Maps(photos, photos)
        read = {branch.input for branch in self._network.branches}
        maps: dict[str, Maps] = {}
        for layer in self._network.trunk:
            x = self._layer(layer, x)
            if layer.name in read:
                maps[layer.name] = x
        for head in self._network.heads.values():
            self._head(head, maps)
        return self._gathered

    def _head(self, branches: Sequence[Branch], maps: Mapping[str, Maps]) -> None:
        """The last layers, which several branches share, read the maps of all of them."""
        shared = _shared(branches)
        ends = []
        for branch in branches:
            x = maps[branch.input]
            for layer in branch.layers[: len(branch.layers) - shared]:
                x = self._layer(layer, x)
            ends.append(x)
        x = Maps(*([one for end in side for one in end] for side in zip(*ends, strict=True)))
        for layer in branches[0].layers[len(branches[0].layers) - shared :]:
            x = self._layer(layer, x)

    def _layer(self, layer: Layer, x: Maps) -> Maps:
        if isinstance(layer, MaxPool):
            return Maps(*([pooled(values, layer.ceil_mode) for values in maps] for maps in x))
        if isinstance(layer, Fire):
            return self._fire(layer, x)
        if isinstance(layer, Classifier):
            self._classifier(layer, x)
            return Maps((), ())  # nothing reads the logits
        if isinstance(layer, Joined):
            for part in layer.parts:
                self._round(part.name, self._drawn(part.name, x, 1, 0))
                self._advance()
            return Maps((), ())
        assert isinstance(layer, Conv)  # the others are a SqueezeDet's
        return self._conv(layer.name, x, layer.stride, layer.padding)

    def _fire(self, layer: Fire, x: Maps) -> Maps:
        squeezed = self._conv(f"{layer.name}.squeeze", x)
        ones = self._conv(f"{layer.name}.expand1x1", squeezed)
        threes = self._conv(f"{layer.name}.expand3x3", squeezed, padding=1)
        own = [
            [np.concatenate(pair, axis=3) for pair in zip(a, b, strict=True)]
            for a, b in zip(ones, threes, strict=True)
        ]
        if layer.bypass is not None:
            around = x
            if layer.bypass == "complex":
                around = self._conv(f"{layer.name}.bypass", x, relu=False)
            own = [
                [a + b for a, b in zip(first, second, strict=True)]
                for first, second in zip(own, around, strict=True)
            ]
        return Maps(*own)

    def _conv(
        self, name: str, x: Maps, stride: int = 1, padding: int = 0, relu: bool = True
    ) -> Maps:
        self._round(name, self._drawn(name, x, stride, padding))
        made = []
        for values, conv in zip(x, self._pair(name, stride), strict=True):
            sums = (conv(bordered(value, padding, 0.0)) for value in values)
            made.append([np.maximum(y, 0.0) if relu else y for y in sums])
        self._advance()
        return Maps(*made)

    def _classifier(self, layer: Classifier, x: Maps) -> None:
        drawn = self._drawn(layer.name, x, 1, layer.padding)
        best = rounding.Samples(
            *(np.concatenate(part) for part in zip(*self._best(layer, x), strict=True))
        )
        total = [np.trace(np.cov(s.rounded.T, aweights=s.weights)) for s in (drawn, best)]
        parts = (total[1] or 1.0, _PARTS * (total[0] or 1.0))
        self._round(
            layer.name,
            rounding.Samples(
                np.concatenate([drawn.exact, best.exact]),
                np.concatenate([drawn.rounded, best.rounded]),
                np.concatenate(
                    [
                        drawn.weights / drawn.weights.sum() * parts[0] / sum(parts),
                        best.weights / best.weights.sum() * parts[1] / sum(parts),
                    ]
                ),
            ),
        )
        self._advance()

    def _best(self, layer: Classifier, x: Maps) -> Iterator[tuple[Any, Any, Any]]:
        """For the best classes of each photo: the mean inputs of the positions where the class is
        positive, and a weight."""
        weight = self._tensors[f"{layer.name}.weight"]
        conv = self._exact(layer.name, 1)
        for exact, rounded in zip(*x, strict=True):
            exact, rounded = (bordered(value, layer.padding, 0.0) for value in (exact, rounded))
            sums = conv(exact).reshape(-1, len(weight))
            logits = (np.maximum(sums, 0.0) if layer.relu else sums).mean(axis=0, dtype=float)
            p = np.exp(logits - logits.max())
            p /= p.sum()
            best = np.argsort(-p)[:_BEST]
            counted = (sums[:, best] > 0) if layer.relu else np.ones_like(sums[:, best])
            share = counted.T / np.maximum(counted.sum(axis=0), 1)[:, None].astype(np.float32)
            flat = [value.reshape(len(sums), -1) for value in (exact, rounded)]
            important = (p[best] * (1 - p[best]) + _LEAST_WEIGHT) * counted.any(axis=0)
            yield share @ flat[0], share @ flat[1], important

    def _drawn(self, name: str, x: Maps, stride: int, padding: int) -> rounding.Samples:
        kernel = self._tensors[f"{name}.weight"].shape[2]
        count = max(1, _SAMPLES // len(x.exact))
        found: tuple[list[Any], list[Any]] = ([], [])
        for pair in zip(*x, strict=True):
            views = [windows(bordered(value, padding, 0.0), kernel, stride) for value in pair]
            rows, columns = views[0].shape[:2]
            total = rows * columns
            chosen = self._random.choice(total, min(count, total), replace=False)
            for view, parts in zip(views, found, strict=True):
                parts.append(view[chosen // columns, chosen % columns].reshape(len(chosen), -1))
        exact, rounded = map(np.concatenate, found)
        return rounding.Samples(exact, rounded, np.full(len(exact), 1 / len(exact)))

    def _round(self, name: str, samples: rounding.Samples) -> None:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        flat = weight.reshape(len(weight), -1)
        found = rounding.statistics(flat, samples)
        gathered = Gathered(name, weight.shape, flat, bias, found, self._importance[name])
        self._gathered.append(gathered)
        self._made = gathered.coded(self._coarseness)

    def _exact(self, name: str, stride: int) -> FloatConv:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return FloatConv(self._kernels, self._pool, weight, bias, stride)

    def _pair(self, name: str, stride: int) -> tuple[FloatConv, FloatConv]:
        """The convolution as it is, and as it was rounded."""
        made = self._made
        weight = weights(made.integers, made.rows, made.columns).reshape(made.shape)
        bias = made.bias.astype(np.float32)
        rounded = FloatConv(self._kernels, self._pool, weight, bias, stride)
        return self._exact(name, stride), rounded


def _shared(branches: Sequence[Branch]) -> int:
    """How many of the last layers all of several branches share."""
    count = 0
    while len(branches) > 1 and len({branch.layers[-1 - count] for branch in branches}) == 1:
        count += 1
    return count
