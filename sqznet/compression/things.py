"""What a detector answers: at each place of its maps, which things are there, and their sides.

Each class is there or not, by itself, with the probability that its sigmoid gives. The logarithms
of the sides of a thing are as certain as if they were drawn from normal distributions around the
detector's own, with the deviation `_DEVIATION`; where nothing is, they do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sqznet import _kernels
from sqznet.boxes import Detection
from sqznet.compression.answers import Comparison
from sqznet.compression.maps import Floats
from sqznet.compression.scales import scales_text
from sqznet.detection.pipeline import DetectionPipeline
from sqznet.detection.quantizing import agreements, with_weights
from sqznet.engine.program import Workspace
from sqznet.errors import SqznetError
from sqznet.network.convdet import AnchorDesign
from sqznet.network.detector import HEAD
from sqznet.weights import metadata
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.detectors import to_json
from sqznet.weights.strict_json import compact

# The deviation of a side's logarithm: two boxes whose sides differ by this overlap by four fifths.
_DEVIATION = 0.2


class Found(NamedTuple):
    """The answer for one photo. maps: (places, classes + 4) of all levels, logits and logarithms of
    sides. boxes: the detections with at least the default score, in parts of the photo."""

    maps: Floats
    boxes: list[Detection]


class Things:
    """See `sqznet.compression.answers.Answers`."""

    coarseness = 1.5e-3

    def __init__(self, detector: DetectionPipeline) -> None:
        design = detector.design
        if isinstance(design, AnchorDesign):
            raise SqznetError("a SqueezeDet cannot be compressed: its anchors are not supported")
        self._limit = design.limit
        self.model = detector
        if detector.precision != "float32":
            self.model = with_weights(detector, detector.checkpoint, "float32")
        self._outputs = [branch.output for branch in detector.executor.network.heads[HEAD]]

    def metadata(self, photos: Sequence[Floats], advance: Callable[[], None]) -> dict[str, str]:
        model = self.model
        scales = scales_text(model, photos, advance)
        stated = (model.variant, model.preprocessing, model.labels, model.wiring, scales)
        return {**metadata.dump(*stated), metadata.DETECTOR: compact(to_json(model.design))}

    def gradients(
        self, outputs: Mapping[str, Floats], random: np.random.Generator
    ) -> dict[str, Floats]:
        found = {}
        for name in self._outputs:
            logits, sides = self._parts(outputs[name])
            p = _sigmoid(logits)
            weight = p.max(axis=-1, keepdims=True)
            drawn = (random.random(p.shape) < p) - p
            moved = np.sqrt(weight) / _DEVIATION * random.standard_normal(sides.shape)
            found[name] = np.concatenate([drawn, moved], axis=-1).astype(np.float32)
        return found

    def importances(self) -> dict[str, Any]:
        return {}

    def of(self, photos: Sequence[Any], checkpoint: Checkpoint | None = None) -> list[Found]:
        model = self.model
        if checkpoint is not None:
            model = with_weights(model, checkpoint, "float32")
        return [self._found(model, x) for x in photos]

    def _found(self, model: DetectionPipeline, x: Any) -> Found:
        ask = model.ask()

        def work(workspace: Workspace) -> Found:
            _kernels.import_nchw(model.executor.pool, x, workspace.input)
            workspace.run()
            maps = [np.array(workspace.outputs[name])[0] for name in self._outputs]
            flat = np.concatenate([one.reshape(-1, one.shape[-1]) for one in maps])
            return Found(flat, model.boxes.found(workspace, {0: (1, 1)}, ask)[0])

        return model.executor.run(1, *model.size, work, (), model.largest_input)

    def compared(self, expected: Sequence[Found], found: Sequence[Found]) -> Comparison:
        pairs = list(zip(expected, found, strict=True))
        agreement, _ = agreements([(one.boxes, other.boxes) for one, other in pairs])
        divergence = float(np.mean([self._divergence(*pair) for pair in pairs]))
        return Comparison(agreement, divergence)

    def _divergence(self, expected: Found, found: Found) -> float:
        """The Kullback-Leibler divergence of one photo's answer from the expected, in nats."""
        (a, sides), (b, others) = self._parts(expected.maps), self._parts(found.maps)
        p = _sigmoid(a)
        classes = p * (_softplus(-b) - _softplus(-a)) + (1 - p) * (_softplus(b) - _softplus(a))
        limits = (-self._limit, self._limit)
        moved = np.clip(sides, *limits) - np.clip(others, *limits)
        things = p.max(axis=-1) * np.square(moved / _DEVIATION).sum(axis=-1) / 2
        return float(classes.sum() + things.sum())

    def _parts(self, maps: Any) -> tuple[Any, Any]:
        """Logits of the classes, and logarithms of the sides."""
        classes = len(self.model.labels)
        return np.float64(maps[..., :classes]), np.float64(maps[..., classes:])


def _sigmoid(x: Any) -> Any:
    return np.exp(-_softplus(-x))


def _softplus(x: Any) -> Any:
    return np.logaddexp(0.0, x)
