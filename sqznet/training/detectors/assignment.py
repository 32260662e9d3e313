"""Which points should find which things, and with what scores: task-aligned assignment.

Source: Feng et al., "TOOD: Task-aligned One-stage Object Detection", arXiv:2108.07755. A point
suits a thing if it lies in its box, gives its class a high score and a box that overlaps it much.
The best few points of each thing should find it; their scores should be as high as they suit it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sqznet.training.detectors.decoding import Found
from sqznet.training.detectors.overlap import area, iou
from sqznet.training.detectors.truths import THING, UNKNOWN, Truth

# How many points a thing has at most, and the powers of the score and of the overlap in how well a
# point suits it. The paper has 13 points and powers 1 and 6; with 0.5 a new class, whose scores are
# all small, is placed by overlap alone, as in PP-YOLOE's and later detectors.
_POINTS, _SCORE, _OVERLAP = 10, 0.5, 6.0

_TINY = 1e-30  # so that points within a box go before others even where nothing overlaps


class Assigned(NamedTuple):
    """What N photos' P points should say.

    scores: (N, P, classes), 0..1. boxes: (N, P, 4), in pixels; that of the thing, if one is there.
    weights: (N, P), the score for the thing there, 0 without one. counts: bool (N, P, classes),
    whether the score should be so; it is not known where things may be that have no box.
    """

    scores: Tensor
    boxes: Tensor
    weights: Tensor
    counts: Tensor


def assigned(found: Found, truth: Truth) -> Assigned:
    """``truth``: boxes in pixels of the input. No gradients pass."""
    found = Found(*(each.detach() for each in found))
    classes = found.logits.shape[2]
    things = truth.kinds == THING
    within = _within(found, truth.boxes)
    usable = within & things[..., None]
    index = truth.classes[..., None].expand(-1, -1, len(found.points))
    score = found.logits.sigmoid().transpose(1, 2).gather(1, index)
    overlap = iou(truth.boxes[:, :, None], found.boxes[:, None])
    suits = (score**_SCORE * overlap**_OVERLAP).clamp_min(_TINY) * usable
    best = suits.topk(min(_POINTS, len(found.points)), 2).indices
    taken = torch.zeros_like(usable).scatter_(2, best, True) & usable
    # Of several things, a point finds the one that its box overlaps most.
    owner = overlap.masked_fill(~taken, -1.0).argmax(1)
    taken &= functional.one_hot(owner, taken.shape[1]).transpose(1, 2).bool()
    suits, overlap = suits * taken, overlap * taken
    share = suits / suits.amax(2, keepdim=True).clamp_min(_TINY)
    weights = (share * overlap.amax(2, keepdim=True)).amax(1)
    boxes = truth.boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    of = truth.classes.gather(1, owner)
    scores = functional.one_hot(of, classes) * weights[..., None]
    unknown = (within & (truth.kinds == UNKNOWN)[..., None]).float().transpose(1, 2)
    covered = unknown @ functional.one_hot(truth.classes, classes).float()
    return Assigned(scores, boxes, weights, (covered == 0) | (scores > 0))


def _within(found: Found, boxes: Tensor) -> Tensor:
    """Whether each point lies in each box: bool (N, M, P). A box that is smaller than the distance
    of a level's points is taken to be as large, so that it holds a point."""
    middle, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2
    half = torch.maximum(half[:, :, None], found.strides[:, None] / 2)
    inside = ((found.points - middle[:, :, None]).abs() <= half).all(-1)
    return inside & (area(boxes) > 0)[..., None]
