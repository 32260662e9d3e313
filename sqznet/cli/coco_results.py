"""COCO's results, which `sqznet detect --format coco` writes, and the numbers in them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from sqznet.cli.columns import rounded
from sqznet.cli.records import write_all
from sqznet.detection.coco import CATEGORIES, read_annotations
from sqznet.errors import SqznetError, path_for_messages
from sqznet.insight.class_names import class_names

if TYPE_CHECKING:
    from sqznet.boxes import Detection


class Numbers(NamedTuple):
    """The image_id of each photo by its path, and the category_id of each class by its index, None
    for a class whose detections are left out. ``in_order``: photos are numbered in their order."""

    images: Mapping[str, int]
    categories: Sequence[int | None]
    in_order: bool = False


class CocoResults:
    """A list of COCO's results, for pycocotools' ``COCO.loadRes``: for each detection an object
    with image_id, category_id, bbox ([x, y, width, height] in pixels) and score (cocodataset.org,
    "Results Format")."""

    def __init__(self, numbers: Numbers, file: BinaryIO) -> None:
        self._numbers, self._file = numbers, file
        self._before = "\n"

    def begin(self) -> None:
        write_all(self._file, "[")

    def write(self, path: str, answers: Sequence[Detection]) -> None:
        image = self._numbers.images[path]
        for detection in answers:
            category = self._numbers.categories[detection.index]
            if category is None:
                continue
            x0, y0, x1, y1 = detection.box[:4]
            sides = ", ".join(f"{rounded(side)!r}" for side in (x0, y0, x1 - x0, y1 - y0))
            write_all(
                self._file,
                f'{self._before}{{"image_id": {image}, "category_id": {category}, '
                f'"bbox": [{sides}], "score": {rounded(detection.score)!r}}}',
            )
            self._before = ",\n"

    def finish(self) -> None:
        write_all(self._file, "\n]\n")


def own_numbers(paths: Sequence[str], labels: Sequence[str]) -> Numbers:
    """The numbers without an annotation file.

    The image_id is that in the names of COCO's own photos, 000000000139.jpg and
    COCO_val2014_000000000042.jpg; unless all photos have such names, and no two the same number, it
    is the number of the photo among them, from 1. The category_id is COCO's for the label; if COCO
    lacks one of ``labels``, it is the number of the label, from 1.
    """
    different = list(dict.fromkeys(paths))
    named = {path: int(digits) for path in different if (digits := _number_in(path))}
    in_order = len(set(named.values())) < len(different)
    if in_order:
        named = {path: number for number, path in enumerate(different, start=1)}
    known = all(label in CATEGORIES for label in labels)
    categories = [
        CATEGORIES[label] if known else number for number, label in enumerate(labels, start=1)
    ]
    return Numbers(named, categories, in_order)


def numbers_of(annotations: str, paths: Sequence[str], labels: Sequence[str]) -> Numbers:
    """The numbers that a COCO annotation file has for the names of the photos and the labels.

    Detections of classes that it lacks are left out. Raises SqznetError if it cannot be read, or
    lacks a photo or all classes.
    """
    name, known = path_for_messages(annotations), read_annotations(annotations)
    by_name: dict[str, int] = {}
    for number, file_name in known.images.items():
        if by_name.setdefault(os.path.basename(file_name), number) != number:
            shown = path_for_messages(os.path.basename(file_name))
            raise SqznetError(f"{name}: two images are called {shown}")
    images = {}
    for path in paths:
        try:
            images[path] = by_name[os.path.basename(path)]
        except KeyError:
            raise SqznetError(f"{name}: no image is called {path_for_messages(path)}") from None
    meant = class_names(labels, known.categories.values())
    categories = {meant[category]: number for number, category in known.categories.items()}
    found = [categories.get(label) for label in labels]
    if not any(number is not None for number in found):
        raise SqznetError(f"{name}: has none of the classes {', '.join(labels)}")
    return Numbers(images, found)


def _number_in(path: str) -> str:
    """The digits of a name that is a number; "" for another."""
    stem = os.path.splitext(os.path.basename(path))[0]
    digits = stem.rpartition("_")[2] if stem.startswith("COCO_") else stem
    return digits if digits.isascii() and digits.isdecimal() else ""
