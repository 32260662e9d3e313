"""The loss of a detector: how far its scores and boxes are from what they should be."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from sqznet.training.detectors.assignment import Assigned
from sqznet.training.detectors.decoding import Found
from sqznet.training.detectors.overlap import ciou

# The weight of the boxes' part, as in TOOD, arXiv:2108.07755.
_BOXES = 2.0


class Loss(NamedTuple):
    """``scores``: binary cross entropy with soft labels; ``boxes``: 1 - CIoU. Both are sums over
    all points, the latter by the points' weights, divided by the sum of these weights."""

    scores: Tensor
    boxes: Tensor

    @property
    def total(self) -> Tensor:
        return self.scores + _BOXES * self.boxes


def loss(found: Found, should: Assigned) -> Loss:
    """The loss of a batch. Photos without things count in its first part."""
    weight = should.weights.sum().clamp_min(1.0)
    wrong = functional.binary_cross_entropy_with_logits(
        found.logits, should.scores, should.counts.float(), reduction="sum"
    )
    has_thing = should.weights > 0
    apart = 1 - ciou(found.boxes[has_thing], should.boxes[has_thing])
    return Loss(wrong / weight, (apart * should.weights[has_thing]).sum() / weight)
