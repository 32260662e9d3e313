"""From the maps of a detector to a logit for each class and a box for each point, with gradients.

`sqznet.network.detector` describes the head. Points come in the order of the levels, then rows,
then columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sqznet.network.detector import SIDES, Design


class Found(NamedTuple):
    """What a detector says at P points of N photos.

    logits: float32 (N, P, classes). boxes: float32 (N, P, 4), left, top, right, bottom in pixels of
    the input. points: (P, 2), their x and y in pixels. strides: (P,), the pixels between points.
    """

    logits: Tensor
    boxes: Tensor
    points: Tensor
    strides: Tensor


def decoded(design: Design, outputs: Sequence[str], maps: Mapping[str, Tensor]) -> Found:
    """``outputs``: the names of the levels' maps (N, classes + 4, H, W), in the design's order."""
    logits, boxes, points, strides = [], [], [], []
    for level, name in zip(design.levels, outputs, strict=True):
        values = maps[name].float()
        height, width = values.shape[2:]
        rows = torch.arange(height, device=values.device)
        columns = torch.arange(width, device=values.device)
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).reshape(-1, 2)
        here = level.stride * grid.float() + (level.offset + 0.5)
        flat = values.flatten(2).transpose(1, 2)
        sides = level.stride * flat[..., -SIDES:].clamp(-design.limit, design.limit).exp()
        logits.append(flat[..., :-SIDES])
        boxes.append(torch.cat([here - sides[..., :2], here + sides[..., 2:]], -1))
        points.append(here)
        strides.append(torch.full((len(here),), float(level.stride), device=values.device))
    return Found(torch.cat(logits, 1), torch.cat(boxes, 1), torch.cat(points), torch.cat(strides))
