"""What an error of each channel costs: how strongly the network's answer depends on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sqznet.compression.gradients import Differentiable
from sqznet.compression.maps import Floats
from sqznet.network.layers import Fire, Network

# Nothing is more or less important than this, relative to the median of its layer: the gradients
# of a few hundred photos are not certain.
_RANGE = 16.0

# Errors of the last fires, counted from the end, cost more than the gradients say: their photos
# are fitted best.
_LAST_FIRES = (6.0, 2.5, 1.8, 1.5)

# Errors of the classifier, too: of 1 to 60, 8 to 16 are the best for SqueezeNet 1.1.
_CLASSIFIER = 10.0
_LEAST = 1e-6  # a single class has no probability but 1


def importances(
    network: Network,
    differentiable: Differentiable,
    photos: Sequence[Floats],
    advance: Callable[[], None],
) -> dict[str, Any]:
    """For each convolution, the mean over photos of the summed squared gradients of each output
    channel, (O,). They are those of log p(y) for a class y that is drawn with the probabilities p
    that the network itself gives, so that no labels are needed: the diagonal of the Fisher
    information, which is the second derivative of the divergence."""
    classifier = network.heads["classifier"][-1].layers[-1].name
    random = np.random.default_rng(0)
    found: dict[str, Any] = {}
    classes = np.zeros(network.num_classes)
    for photo in photos:
        maps = differentiable.forward(photo)
        logits = np.float64(maps["logits"])
        p = np.exp(logits - logits.max())
        p /= p.sum()
        classes += p * (1 - p)
        gradient = -p
        gradient[random.choice(len(p), p=p)] += 1.0
        for name, values in differentiable.backward(maps, np.float32(gradient)).items():
            squares = np.square(values).sum(axis=(0, 1, 2), dtype=np.float64)
            found[name] = found.get(name, 0.0) + squares / len(photos)
        advance()
    fires = [layer.name for layer in network.trunk if isinstance(layer, Fire)]
    factors = dict(zip(reversed(fires), _LAST_FIRES, strict=False))
    for name, values in found.items():
        found[name] = _limited(values) * factors.get(name.rpartition(".")[0], 1.0)
    # A photo more for each class, of which the photos may show few.
    smoothed = (classes + classes.mean()) / (len(photos) + len(classes))
    found[classifier] = _CLASSIFIER * np.maximum(smoothed, _LEAST)
    return found


def _limited(values: Any) -> Any:
    positive = values[values > 0]
    median = float(np.median(positive)) if positive.size else 1.0
    return np.clip(values, median / _RANGE, median * _RANGE)
