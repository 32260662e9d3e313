"""Sets of photos with known boxes: read, brought to the classes to learn, and divided."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sqznet.detection.accuracy import true_photos
from sqznet.detection.matching import TrueBox
from sqznet.errors import ImageError, SqznetError, listed
from sqznet.images.decoding import decode
from sqznet.insight.class_names import class_names

if TYPE_CHECKING:
    from sqznet.detection.true_photo import TruePhoto

Path = str | os.PathLike[str]
Report = Callable[[str | ImageError], None]

#: Photos of one source. A class that has a box on one of them has boxes on all: where there is
#: none, there is no such thing. Of other classes nothing is known, unless no photo has a box: then
#: nothing is on them.
BoxedSet = Sequence["TruePhoto"]


def read_sets(
    places: Path | Sequence[Path], photos: Path | None, classes: Sequence[str], report: Report
) -> list[BoxedSet]:
    """The sets at these places, see ``evaluate_detector``.

    ``photos``: the folder with the photos of COCO's files. ``classes``: the names of the classes of
    YOLO's files that have none. Raises SqznetError if one cannot be read.
    """
    several = [places] if isinstance(places, str | os.PathLike) else list(places)
    if not several:
        raise SqznetError("no photos to train with: expected a folder or a COCO annotation file")
    return [true_photos(place, classes, photos, report) for place in several]


def labels_of(sets: Iterable[BoxedSet]) -> tuple[str, ...]:
    """The classes that can be learned from these sets, sorted: those that have a thing."""
    boxes = (box for each in sets for photo in each for box in photo.boxes)
    return tuple(sorted({box.label for box in boxes if is_thing(box)}))


def is_thing(box: TrueBox) -> bool:
    """Whether it is one thing that a detector should find."""
    return not (box.is_crowd or box.may_be_missed)


def of_classes(sets: Sequence[BoxedSet], labels: Sequence[str], report: Report) -> list[TruePhoto]:
    """The photos of all sets, with their boxes of these classes in parts of the photo.

    A class of which nothing is known on a photo has a crowd there, as large as the photo. Names in
    the sets differ from ``labels`` at most as `class_names` allows; other boxes are left out.
    ``report``: called with a line about these, and for a photo whose size is needed and cannot be
    read, which is left out.
    """
    found, others = [], set()
    for each in sets:
        own = {box.label for photo in each for box in photo.boxes}
        names = class_names(labels, own)
        others |= {label for label in own if names[label] is None}
        known = set(names.values()) if own else set(labels)
        crowds = [
            TrueBox(0.0, 0.0, 1.0, 1.0, label, is_crowd=True)
            for label in labels
            if label not in known
        ]
        for photo in each:
            try:
                boxes = _in_parts(photo)
            except ImageError as error:
                report(error)
                continue
            renamed = [
                box._replace(label=name) for box in boxes if (name := names[box.label]) is not None
            ]
            found.append(photo._replace(boxes=[*renamed, *crowds], in_parts=True))
    if others:
        report(f"boxes of other classes are left out: {listed(sorted(others))}")
    return found


def _in_parts(photo: TruePhoto) -> Sequence[TrueBox]:
    if photo.in_parts or not photo.boxes:
        return photo.boxes
    # As small as the decoder makes it: only the size of the whole photo is needed.
    height, width = decode(photo.found.image, lambda height, width: (1, 1)).whole
    return [
        box._replace(
            x0=box.x0 / width, y0=box.y0 / height, x1=box.x1 / width, y1=box.y1 / height, area=None
        )
        for box in photo.boxes
    ]


def divided(
    photos: Sequence[TruePhoto], share: float, seed: int
) -> tuple[list[TruePhoto], list[TruePhoto]]:
    """The photos to train with, and this share of them, kept apart: of those with things, at least
    one, and of those without. Which ones depends on ``seed``. Raises SqznetError if there are fewer
    than two photos with things."""
    apart: set[int] = set()
    for has_things in (True, False):
        own = [i for i, photo in enumerate(photos) if any(map(is_thing, photo.boxes)) == has_things]
        if has_things and len(own) < 2:
            raise SqznetError(
                f"found {len(own)} photos with things, expected two or more: one of them to "
                "validate with, unless val names others"
            )
        count = min(max(round(share * len(own)), has_things), max(len(own) - 1, 0))
        order = np.random.default_rng([seed, has_things]).permutation(len(own))
        apart |= {own[i] for i in order[:count]}
    return (
        [photo for i, photo in enumerate(photos) if i not in apart],
        [photo for i, photo in enumerate(photos) if i in apart],
    )


def check_training(photos: Sequence[TruePhoto], labels: Sequence[str]) -> None:
    """Raises SqznetError if there is no thing of a class to train with."""
    there = _labels_on(photos)
    if lacking := [label for label in labels if label not in there]:
        raise SqznetError(f"no photo to train with has a box of {listed(lacking)}")


def check_validation(photos: Sequence[TruePhoto], labels: Sequence[str], report: Report) -> None:
    """Raises SqznetError if there is no thing at all to validate with; says so if there is none of
    a class."""
    there = _labels_on(photos)
    if not there:
        raise SqznetError(
            f"no photo to validate with has a box of a class to learn, {listed(labels)}"
        )
    if missing := [label for label in labels if label not in there]:
        report(f"no photo to validate with has a box of {listed(missing)}")


def _labels_on(photos: Sequence[TruePhoto]) -> set[str]:
    return {box.label for photo in photos for box in photo.boxes if is_thing(box)}
