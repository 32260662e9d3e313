"""Sets of photos with boxes: brought to the classes to learn, and divided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from sqznet import SqznetError
from sqznet.detection.matching import TrueBox
from sqznet.detection.true_photo import TruePhoto
from sqznet.images.finding import Found
from sqznet.training.detectors.sets import (
    check_training,
    check_validation,
    divided,
    is_thing,
    labels_of,
    of_classes,
    read_sets,
)
from sqznet.training.detectors.truths import NONE, THING, UNKNOWN, truths_of

from ..support import boxed_photos


def parts(name: str, *boxes: TrueBox) -> TruePhoto:
    return TruePhoto(Found(name), boxes, in_parts=True)


def box(label: str, **changes: Any) -> TrueBox:
    return TrueBox(0.25, 0.25, 0.5, 0.75, label, **changes)


@pytest.mark.parametrize("kind", ["voc", "yolo", "coco"])
def test_the_three_formats_give_the_same(kind: str, tmp_path: Path) -> None:
    place = getattr(boxed_photos, kind)(tmp_path / kind, 3)
    expected = boxed_photos.write(tmp_path / "again", 3)
    said: list[Any] = []
    sets = read_sets(place, None, (), said.append)
    assert labels_of(sets) == boxed_photos.LABELS
    photos = of_classes(sets, boxed_photos.LABELS, said.append)
    assert said == []
    for photo, boxes in zip(photos, expected, strict=True):
        assert photo.in_parts
        found = [(one.label, [side * 160 for side in one[:4]]) for one in photo.boxes]
        assert found == [(label, pytest.approx(sides, abs=1e-3)) for label, sides in boxes]


def test_a_class_that_a_set_does_not_know_is_unknown_there() -> None:
    first = [parts("a", box("cat")), parts("b")]
    second = [parts("c", box("Dog"), box("bus"))]
    third = [parts("d")]
    said: list[Any] = []
    found = of_classes([first, second, third], ("cat", "dog"), said.append)
    crowd = TrueBox(0, 0, 1, 1, "dog", is_crowd=True)
    assert [photo.boxes for photo in found] == [
        [box("cat"), crowd],
        [crowd],
        [box("dog"), crowd._replace(label="cat")],
        [],
    ]
    assert said == ["boxes of other classes are left out: bus"]


def test_what_is_no_thing_becomes_unknown() -> None:
    photo = parts(
        "a",
        box("cat"),
        box("dog", is_crowd=True),
        box("dog", may_be_missed=True),
        TrueBox(1.0, 0.0, 1.5, 1.0, "cat"),
        TrueBox(-0.5, 0.5, 0.5, 1.5, "cat"),
    )
    truth = truths_of([photo, parts("b")], ("cat", "dog")).of([1, 0])
    assert truth.kinds.tolist() == [[NONE] * 5, [THING, UNKNOWN, UNKNOWN, NONE, THING]]
    assert truth.classes[1].tolist() == [0, 1, 1, 0, 0]
    assert truth.boxes[1, 4].tolist() == [0, 0.5, 0.5, 1]
    assert truths_of([photo, parts("b")], ("cat", "dog")).only([1]).of([0]).kinds.tolist() == [[0]]


def test_a_share_is_kept_apart() -> None:
    photos = [parts(str(i), *[box("cat")] * (i % 2)) for i in range(40)]
    training, apart = divided(photos, 0.2, 3)
    assert len(apart) == 8
    assert sum(bool(photo.boxes) for photo in apart) == 4
    assert sorted(training + apart, key=photos.index) == photos
    assert divided(photos, 0.2, 3) == (training, apart) != divided(photos, 0.2, 4)
    both = divided(photos[:4], 0.01, 0)
    assert [sum(any(map(is_thing, photo.boxes)) for photo in part) for part in both] == [1, 1]
    with pytest.raises(SqznetError, match="found 1 photos with things, expected two or more"):
        divided(photos[:3], 0.2, 0)


def test_classes_without_boxes() -> None:
    said: list[Any] = []
    cats, dogs = [parts("a", box("cat"))], [parts("b", box("dog"))]
    check_training(cats + dogs, ("cat", "dog"))
    check_validation(cats, ("cat", "dog"), said.append)
    assert said == ["no photo to validate with has a box of dog"]
    with pytest.raises(SqznetError, match="no photo to train with has a box of dog"):
        check_training(cats, ("cat", "dog"))
    with pytest.raises(SqznetError, match="no photo to validate with has a box of a class to"):
        check_validation([parts("c")], ("cat",), said.append)


def test_a_photo_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    place = boxed_photos.voc(tmp_path, 2)
    (tmp_path / "1.png").write_bytes(b"no photo")
    said: list[Any] = []
    found = of_classes(read_sets(place, None, (), said.append), boxed_photos.LABELS, said.append)
    assert [photo.found.path for photo in found] == [str(tmp_path / "0.png")]
    assert "1.png" in str(said)
