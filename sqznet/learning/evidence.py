"""Shows where in a photo a learned class is, by taking places away.

The features of each place are removed from the network's maps, and the heat of the place is how
much less then speaks for the class: occlusion (Zeiler and Fergus, "Visualizing and Understanding
Convolutional Networks", arXiv:1311.2901), but of the maps instead of the photo, so that the network
runs once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sqznet.images.pixels import Pixels
from sqznet.insight.heatmap import Evidence
from sqznet.learning.features import LAYERS, Floats, covered, described

if TYPE_CHECKING:
    from sqznet.engine.pipeline import Pipeline
    from sqznet.learning.learner import Learner


class TaughtEvidence(Evidence):
    """The evidence of a recognizer.

    ``learner``: has examples of ``labels``, for which ``model`` computes the features.
    """

    def __init__(
        self, model: Pipeline, learner: Learner, labels: Sequence[str], pixels: Pixels
    ) -> None:
        (maps,) = model.feature_maps([pixels], tuple(LAYERS))
        description = described(maps)[None]
        answers = learner.ask(description)
        super().__init__(model, pixels, labels, "softmax", answers.shares[0].astype(np.float32))
        self.is_unknown = bool(answers.unknown[0])
        height, width = maps["fire9"].shape[:2]
        rows = np.concatenate([description, covered(maps, height, width)])
        whole, *without = learner.leanings(rows)
        self._drops = (whole - np.array(without)).reshape(height, width, -1)

    def class_map(self, index: int) -> Floats:
        drops: Floats = np.maximum(self._drops[:, :, index], 0).astype(np.float32)
        return drops
