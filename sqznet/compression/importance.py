"""What an error of each channel costs: how strongly the network's answer depends on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sqznet.compression.answers import Answers
from sqznet.compression.gradients import Differentiable
from sqznet.compression.maps import Floats
from sqznet.network.layers import Fire, Network

# Nothing is more or less important than this, relative to the median of its layer: the gradients
# of a few hundred photos are not certain.
_RANGE = 16.0

# Errors of the last fires, counted from the end, cost more than the gradients say: their photos
# are fitted best.
_LAST_FIRES = (6.0, 2.5, 1.8, 1.5)


def importances(
    network: Network,
    differentiable: Differentiable,
    answers: Answers,
    photos: Sequence[Floats],
    advance: Callable[[], None],
) -> dict[str, Any]:
    """For each convolution, the mean over photos of the summed squared gradients of each output
    channel, (O,). They are those of log p(y) for an answer y that is drawn with the probabilities p
    that the network itself gives, so that no labels are needed: the diagonal of the Fisher
    information, which is the second derivative of the divergence."""
    random = np.random.default_rng(0)
    shapes = network.tensors()
    found: dict[str, Any] = {
        name: np.zeros(shapes[f"{name}.bias"]) for name in network.convolutions
    }
    for photo in photos:
        trace = differentiable.forward(photo)
        drawn = answers.gradients(trace.outputs, random)
        for name, gradients in differentiable.backward(trace, drawn).items():
            squares = sum(np.square(g).sum(axis=(0, 1, 2), dtype=np.float64) for g in gradients)
            found[name] = found[name] + squares / len(photos)
        advance()
    fires = [layer.name for layer in network.trunk if isinstance(layer, Fire)]
    factors = dict(zip(reversed(fires), _LAST_FIRES, strict=False))
    for name, values in found.items():
        found[name] = _limited(values) * factors.get(name.rpartition(".")[0], 1.0)
    return {**found, **answers.importances()}


def _limited(values: Any) -> Any:
    positive = values[values > 0]
    median = float(np.median(positive)) if positive.size else 1.0
    return np.clip(values, median / _RANGE, median * _RANGE)
