"""Which points should find which things: hand-made cases, and a reference in plain loops."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from sqznet.training.detectors.assignment import Assigned, assigned
from sqznet.training.detectors.decoding import Found
from sqznet.training.detectors.losses import loss
from sqznet.training.detectors.overlap import iou
from sqznet.training.detectors.truths import NONE, THING, UNKNOWN, Truth

CLASSES = 3


def grid(side: int = 8, stride: float = 8.0) -> Any:
    """(P, 2): the middles of the squares of a photo."""
    places = (torch.arange(side) + 0.5) * stride
    return torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).reshape(-1, 2)


def found(photos: int, seed: int) -> Found:
    random = torch.Generator().manual_seed(seed)
    points = grid()
    sides = 4 + 20 * torch.rand((photos, len(points), 4), generator=random)
    boxes = torch.cat([points - sides[..., :2], points + sides[..., 2:]], -1)
    logits = torch.randn((photos, len(points), CLASSES), generator=random)
    return Found(logits, boxes, points, torch.full((len(points),), 8.0))


def truth(*photos: list[tuple[list[float], int, int]]) -> Truth:
    """From rows (box, class, kind)."""
    most = max(map(len, photos))
    nothing: tuple[list[float], int, int] = ([0.0] * 4, 0, NONE)
    padded = [[*rows, *[nothing] * (most - len(rows))] for rows in photos]
    return Truth(
        torch.tensor([[row[0] for row in rows] for rows in padded]),
        torch.tensor([[row[1] for row in rows] for rows in padded]),
        torch.tensor([[row[2] for row in rows] for rows in padded], dtype=torch.uint8),
    )


def by_hand(seen: Found, rows: list[tuple[list[float], int, int]], photo: int) -> Any:
    """The scores (P, classes) that points of one photo should have, by loops over things."""
    scores = seen.logits[photo].sigmoid()
    candidates: dict[int, dict[int, float]] = {}
    shares: dict[tuple[int, int], float] = {}
    for thing, (box, label, kind) in enumerate(rows):
        if kind != THING:
            continue
        suits = {}
        for point, (x, y) in enumerate(seen.points.tolist()):
            if box[0] <= x <= box[2] and box[1] <= y <= box[3]:
                overlap = float(iou(torch.tensor(box), seen.boxes[photo, point]))
                shares[thing, point] = overlap
                suits[point] = math.sqrt(scores[point, label]) * overlap**6
        best = sorted(suits, key=lambda point: -suits[point])[:10]
        candidates[thing] = {point: suits[point] for point in best}
    owners: dict[int, int] = {}
    for thing, suits in candidates.items():
        for point in suits:
            if point not in owners or shares[thing, point] > shares[owners[point], point]:
                owners[point] = thing
    made = torch.zeros((len(seen.points), CLASSES))
    for thing, suits in candidates.items():
        own = {point: value for point, value in suits.items() if owners[point] == thing}
        for point, value in own.items():
            highest = max(shares[thing, other] for other in own)
            made[point, rows[thing][1]] = value / max(own.values()) * highest
    return made


ROWS = [
    [([4.0, 6.0, 40.0, 50.0], 0, THING), ([20.0, 10.0, 60.0, 44.0], 2, THING)],
    [([0.0, 0.0, 64.0, 64.0], 1, THING)],
    [([0.0, 0.0, 30.0, 30.0], 1, UNKNOWN)],
]


def test_scores_are_those_of_plain_loops() -> None:
    seen = found(len(ROWS), 0)
    should = assigned(seen, truth(*ROWS))
    for photo, rows in enumerate(ROWS):
        expected = by_hand(seen, rows, photo)
        assert should.scores[photo].numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    assert (should.weights > 0).sum(1).tolist() == [
        int((by_hand(seen, rows, photo) > 0).sum()) for photo, rows in enumerate(ROWS)
    ]
    has_thing = should.weights[1] > 0
    assert 0 < has_thing.sum() <= 10
    assert should.boxes[1][has_thing].unique(dim=0).tolist() == [[0, 0, 64, 64]]


def test_nothing_is_said_of_a_place_where_a_class_is_unknown() -> None:
    seen = found(1, 1)
    rows = [([0.0, 0.0, 30.0, 30.0], 1, UNKNOWN), ([8.0, 8.0, 28.0, 28.0], 1, THING)]
    should = assigned(seen, truth(rows))
    inside = (seen.points <= 30).all(1)
    says = should.counts[0]
    assert says[:, [0, 2]].all()
    assert says[~inside].all()
    assert torch.equal(says[inside][:, 1], should.scores[0][inside][:, 1] > 0)
    assert 0 < says[inside][:, 1].sum() < inside.sum()


def test_a_thing_smaller_than_the_points_distance_is_found_by_one() -> None:
    should = assigned(found(1, 2), truth([([29.0, 29.0, 30.0, 31.0], 2, THING)]))
    assert (should.weights[0] > 0).sum() == 1
    (place,) = grid()[should.weights[0] > 0].tolist()
    assert place == [28, 28]


def test_a_photo_without_things_has_no_boxes_but_a_loss() -> None:
    seen = found(1, 3)
    should = assigned(seen, truth([([0.0] * 4, 0, NONE)]))
    assert should.weights.sum() == 0
    assert should.counts.all()
    parts = loss(seen, should)
    softplus = torch.nn.functional.softplus(seen.logits).sum()
    assert parts.scores.item() == pytest.approx(softplus.item(), rel=1e-5)
    assert parts.boxes == 0


def test_the_loss_by_hand() -> None:
    seen = Found(
        torch.tensor([[[0.0, 2.0], [-1.0, 3.0]]]),
        torch.tensor([[[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 4.0, 4.0]]]),
        torch.tensor([[5.0, 5.0], [2.0, 2.0]]),
        torch.tensor([8.0, 8.0]),
    )
    should = Assigned(
        torch.tensor([[[0.0, 0.8], [0.0, 0.0]]]),
        torch.tensor([[[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 10.0]]]),
        torch.tensor([[0.8, 0.0]]),
        torch.tensor([[[True, True], [True, False]]]),
    )

    def entropy(logit: float, score: float) -> float:
        p = 1 / (1 + math.exp(-logit))
        return -score * math.log(p) - (1 - score) * math.log(1 - p)

    parts = loss(seen, should)
    expected = entropy(0, 0) + entropy(2, 0.8) + entropy(-1, 0)  # the sum of weights is below 1
    assert parts.scores.item() == pytest.approx(expected, rel=1e-5)
    assert parts.boxes.item() == pytest.approx(0, abs=1e-6)
    assert parts.total.item() == pytest.approx(expected, rel=1e-5)


def test_boxes_move_towards_the_things() -> None:
    seen = found(1, 4)
    sides = seen.boxes.clone().requires_grad_()
    target = truth([([4.0, 6.0, 40.0, 50.0], 0, THING)])
    optimizer = torch.optim.Adam([sides], lr=1.5)
    first = last = 0.0
    for step in range(20):
        now = seen._replace(boxes=sides)
        value = loss(now, assigned(now, target)).boxes
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        first, last = (value.item() if step == 0 else first), value.item()
    assert last < 0.3 * first
