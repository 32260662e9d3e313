"""Flips, collages and crops: boxes stay around what is in them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from sqznet.training.detectors.placing import GRAY, collages, flipped, shown, windows
from sqznet.training.detectors.truths import NONE, THING, UNKNOWN, Truth

SIDE = 64


def painted(*boxes: tuple[float, float, float, float]) -> tuple[Any, Truth]:
    """Photos with a white rectangle each, and where it is."""
    photos = torch.zeros((len(boxes), 3, SIDE, SIDE))
    for photo, box in zip(photos, boxes, strict=True):
        x0, y0, x1, y1 = (round(side * SIDE) for side in box)
        photo[:, y0:y1, x0:x1] = 255
    rows = torch.tensor(boxes)[:, None]
    count = len(boxes)
    classes = torch.arange(count)[:, None]
    return photos, Truth(rows, classes, torch.full((count, 1), THING, dtype=torch.uint8))


BOXES = (
    (0.25, 0.5, 0.5, 0.75),
    (0.125, 0.125, 0.875, 0.25),
    (0.5, 0.0, 1.0, 1.0),
    (0.0, 0.5, 0.5, 1.0),
)


def around_white(photo: Any) -> list[float]:
    """The sides of what is white, in parts of the photo."""
    rows, columns = (torch.nonzero((photo[0] > 190).any(axis)).flatten() for axis in (1, 0))
    height, width = photo.shape[1:]
    return [
        columns[0].item() / width,
        rows[0].item() / height,
        (columns[-1].item() + 1) / width,
        (rows[-1].item() + 1) / height,
    ]


def test_a_mirror() -> None:
    photos, truth = painted(*BOXES)
    turned, found = flipped(photos, truth, torch.tensor([True, False, True, False]))
    for photo, box in zip(turned, found.boxes, strict=True):
        assert around_white(photo) == pytest.approx(box[0].tolist())
    assert found.boxes[0, 0].tolist() == [0.5, 0.5, 0.75, 0.75]
    assert torch.equal(turned[1], photos[1])


def test_a_collage_shows_four_photos_with_their_boxes() -> None:
    photos, truth = painted(*BOXES)
    made, found = collages(photos, truth, torch.tensor([[0, 1, 2, 3], [3, 3, 1, 0]]))
    assert made.shape == (2, 3, SIDE, SIDE)
    assert found.classes.tolist() == [[0, 1, 2, 3], [3, 3, 1, 0]]
    half = SIDE // 2
    for photo, boxes in zip(made, found.boxes, strict=True):
        for place, box in enumerate(boxes):
            down, across = divmod(place, 2)
            part = photo[:, down * half : (down + 1) * half, across * half : (across + 1) * half]
            corner = torch.tensor([across, down, across, down]) / 2
            assert around_white(part) == pytest.approx((2 * (box - corner)).tolist(), abs=1e-6)


def test_a_crop_keeps_boxes_around_their_things() -> None:
    photos, truth = painted(*BOXES)
    parts = windows(4, torch.Generator().manual_seed(5))
    assert (parts[:, 2:] - parts[:, :2]).amin() > 0.5
    assert (parts[:, 2:] - parts[:, :2]).amax() < 2
    made, found = shown(photos, truth, parts, (96, 128))
    assert made.shape == (4, 3, 96, 128)
    seen = [i for i in range(4) if found.kinds[i, 0] == THING]
    assert len(seen) > 2
    for index in seen:
        assert around_white(made[index]) == pytest.approx(found.boxes[index, 0].tolist(), abs=0.02)


def test_the_whole_photo_at_its_own_size_is_itself() -> None:
    photos, truth = painted(*BOXES)
    made, found = shown(photos, truth, torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 4), (SIDE, SIDE))
    assert made.numpy() == pytest.approx(photos.numpy(), abs=0.01)
    assert torch.equal(found.boxes, truth.boxes)


def test_beyond_the_edge_it_is_gray() -> None:
    photos, truth = painted(BOXES[0])
    made, _ = shown(photos, truth, torch.tensor([[-1.0, 0.0, 1.0, 1.0]]), (SIDE, SIDE))
    assert made[0, :, :, : SIDE // 2 - 1].unique().tolist() == [GRAY]


def test_what_is_cut_off_is_gone_or_unknown() -> None:
    """The windows show all, a tenth, and nothing of the box, then a corner of a crowd."""
    photos, truth = painted(*[(0.0, 0.0, 0.5, 1.0)] * 4)
    truth.kinds[3] = UNKNOWN
    parts = torch.tensor(
        [
            [0.0, 0.0, 1.0, 1.0],
            [0.45, 0.0, 1.45, 1.0],
            [0.6, 0.0, 1.6, 1.0],
            [0.495, 0.0, 1.495, 1.0],
        ]
    )
    _, found = shown(photos, truth, parts, (SIDE, SIDE))
    assert found.kinds[:, 0].tolist() == [THING, UNKNOWN, NONE, UNKNOWN]
    assert found.boxes[1, 0].tolist() == pytest.approx([0, 0, 0.05, 1], abs=1e-6)


def test_rows_that_are_none_go() -> None:
    truth = Truth(
        torch.arange(24.0).reshape(2, 3, 4),
        torch.arange(6).reshape(2, 3),
        torch.tensor([[NONE, THING, NONE], [UNKNOWN, NONE, THING]], dtype=torch.uint8),
    )
    small = truth.compact()
    assert small.kinds.tolist() == [[THING, NONE], [UNKNOWN, THING]]
    assert small.classes.tolist() == [[1, 0], [3, 5]]
    assert small.boxes[1, 1].tolist() == [20, 21, 22, 23]
    assert small.joined(truth).kinds.shape == (4, 3)
