"""The overlap of boxes, and the loss that is made of it, against plain formulas."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from sqznet.detection.matching import overlaps
from sqznet.training.detectors.overlap import ciou, iou


def some_boxes(count: int, seed: int) -> list[list[float]]:
    draw = random.Random(seed)
    starts = [(draw.uniform(0, 50), draw.uniform(0, 50)) for _ in range(count)]
    return [[x, y, x + draw.uniform(1, 60), y + draw.uniform(1, 60)] for x, y in starts]


def by_hand(a: list[float], b: list[float]) -> float:
    """CIoU as in arXiv:2005.03572."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    overlap = shared / (sum(areas) - shared)
    middles = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (a, b)]
    around = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    angles = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    alpha = v / (1 - overlap + v) if v else 0.0
    return overlap - math.dist(*middles) ** 2 / math.hypot(*around) ** 2 - alpha * v


def test_intersection_over_union_is_that_of_the_evaluation() -> None:
    a, b = some_boxes(20, 0), some_boxes(30, 1)
    found = iou(torch.tensor(a)[:, None], torch.tensor(b)[None])
    assert found.numpy() == pytest.approx(
        overlaps(np.array(a), np.array(b), [False] * 30), abs=1e-6
    )


def test_ciou_is_that_of_the_paper() -> None:
    a, b = some_boxes(50, 2), some_boxes(50, 3)
    expected = [by_hand(*pair) for pair in zip(a, b, strict=True)]
    assert min(expected) < 0 < max(expected)
    assert ciou(torch.tensor(a), torch.tensor(b)).tolist() == pytest.approx(expected, abs=1e-5)
    assert ciou(torch.tensor(a), torch.tensor(a)).tolist() == pytest.approx([1.0] * 50, abs=1e-5)


def test_a_box_without_an_area_has_no_infinite_gradient() -> None:
    empty = torch.tensor([[3.0, 3.0, 3.0, 3.0]], requires_grad=True)
    ciou(empty, torch.tensor([[0.0, 0.0, 9.0, 9.0]])).sum().backward()
    assert torch.isfinite(empty.grad).all()
