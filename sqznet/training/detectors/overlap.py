"""How much boxes overlap, with gradients.

Boxes are (..., 4): left, top, right, bottom. Sources: intersection over union, and CIoU of Zheng et
al., "Distance-IoU Loss", arXiv:1911.08287, and "Enhancing Geometric Factors", arXiv:2005.03572.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TINY = 1e-7


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes, 0..1, in the shape of both without the last axis."""
    start, end = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (end - start).clamp_min(0).prod(-1)
    union = area(a) + area(b) - shared
    return shared / union.clamp_min(_TINY)


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, less for middles that are apart and for other proportions: up to 1,
    and below 0 for boxes that are far apart."""
    shared = iou(a, b)
    start, end = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])
    diagonal = (end - start).square().sum(-1).clamp_min(_TINY)
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).square().sum(-1) / 4
    angles = (_angle(a) - _angle(b)).square() * (4 / math.pi**2)
    with torch.no_grad():
        weight = angles / (1 - shared + angles).clamp_min(_TINY)
    return shared - apart / diagonal - weight * angles


def area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)


def _angle(boxes: Tensor) -> Tensor:
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    return torch.atan(width / height.clamp_min(_TINY))
