"""What a classifier answers: one of its classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sqznet.calibration.quantizing import compare, in_floats, log_softmax, with_weights
from sqznet.compression.answers import Comparison
from sqznet.compression.maps import Floats
from sqznet.compression.scales import scales_text
from sqznet.engine.classification import Classification
from sqznet.weights import metadata
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.labels import for_network

# Errors of the classifier cost more than the gradients say: of 1 to 60, 8 to 16 are the best for
# SqueezeNet 1.1.
_FACTOR = 10.0
_LEAST = 1e-6  # a single class has no probability but 1


class Classes:
    """See `sqznet.compression.answers.Answers`."""

    coarseness = 5e-4

    def __init__(self, model: Classification) -> None:
        self.model: Classification = in_floats(model)
        self._last = self.model.executor.network.heads["classifier"][-1].layers[-1].name
        self._drawn = 0
        self._spread = np.zeros(self.model.num_classes)

    def metadata(self, photos: Sequence[Floats], advance: Callable[[], None]) -> dict[str, str]:
        model = self.model
        given = for_network(None, None, model.num_classes, model.checkpoint.path)
        labels = None if model.labels == given else model.labels  # a reader gives them again
        scales = scales_text(model, photos, advance)
        stated = (model.variant, model.preprocessing, labels, model.wiring, scales)
        return metadata.dump(*stated)

    def gradients(
        self, outputs: Mapping[str, Floats], random: np.random.Generator
    ) -> dict[str, Floats]:
        logits = np.float64(outputs["logits"])
        p = np.exp(logits - logits.max())
        p /= p.sum()
        self._drawn += 1
        self._spread += p * (1 - p)
        gradient = -p
        gradient[random.choice(len(p), p=p)] += 1.0
        return {"logits": np.float32(gradient)}

    def importances(self) -> dict[str, Any]:
        # A photo more for each class, of which the photos may show few.
        smoothed = (self._spread + self._spread.mean()) / (self._drawn + len(self._spread))
        return {self._last: _FACTOR * np.maximum(smoothed, _LEAST)}

    def of(self, photos: Sequence[Any], checkpoint: Checkpoint | None = None) -> list[Any]:
        model = self.model if checkpoint is None else with_weights(self.model, checkpoint)
        return [model.logits(x)[0] for x in photos]

    def compared(self, expected: Sequence[Any], found: Sequence[Any]) -> Comparison:
        before, after = np.array(expected), np.array(found)
        p = np.exp(log_softmax(before))
        rows = np.arange(len(p))
        changes = p[rows, after.argmax(axis=1)] - p[rows, before.argmax(axis=1)]
        return Comparison(*compare(before, after), top1=float(changes.mean()))
