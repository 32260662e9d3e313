"""The files of data sets that `sqznet detect` writes: COCO's results, and YOLO's files of boxes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from sqznet.cli.columns import rounded
from sqznet.cli.drawing import Beside
from sqznet.cli.records import write_all
from sqznet.detection.coco import CATEGORIES
from sqznet.detection.folders import CLASSES
from sqznet.errors import SqznetError, printable, reason_of
from sqznet.files.part_file import write_file
from sqznet.files.paths import expanded
from sqznet.images.decoding import decode

if TYPE_CHECKING:
    from sqznet.answers import Detection
    from sqznet.images.finding import Found


class CocoResults:
    """A list of COCO's results, for pycocotools' ``COCO.loadRes``: for each detection an object
    with image_id, category_id, bbox ([x, y, width, height] in pixels) and score (cocodataset.org,
    "Results Format").

    The image_id is that in the names of COCO's own photos, 000000000139.jpg and
    COCO_val2014_000000000042.jpg; unless all photos have such names, it is the number of the photo
    among them, from 1. The category_id is COCO's for the label; if COCO lacks one of ``labels``, it
    is the number of the label, from 1.
    """

    def __init__(self, paths: Sequence[str], labels: Sequence[str], file: BinaryIO) -> None:
        self._file = file
        self._images = image_ids(paths)
        known = all(label in CATEGORIES for label in labels)
        self._categories = [
            CATEGORIES[label] if known else number for number, label in enumerate(labels, start=1)
        ]
        self._before = "\n"

    def begin(self) -> None:
        write_all(self._file, "[")

    def write(self, path: str, answers: Sequence[Detection]) -> None:
        for detection in answers:
            x0, y0, x1, y1 = detection.box[:4]
            sides = ", ".join(f"{rounded(side)!r}" for side in (x0, y0, x1 - x0, y1 - y0))
            write_all(
                self._file,
                f'{self._before}{{"image_id": {self._images[path]}, '
                f'"category_id": {self._categories[detection.index]}, "bbox": [{sides}], '
                f'"score": {rounded(detection.score)!r}}}',
            )
            self._before = ",\n"

    def finish(self) -> None:
        write_all(self._file, "\n]\n")


def image_ids(paths: Sequence[str]) -> dict[str, int]:
    """The image_id of each photo, see `CocoResults`."""
    different = list(dict.fromkeys(paths))
    if has_numbers(different):
        return {path: int(_number_in(path)) for path in different}
    return {path: number for number, path in enumerate(different, start=1)}


def has_numbers(paths: Sequence[str]) -> bool:
    """Whether the names of all photos have numbers, as COCO's, and no two the same."""
    different = set(paths)
    numbers = {_number_in(path).lstrip("0") for path in different}
    return len(numbers) == len(different) and all(map(_number_in, different))


def _number_in(path: str) -> str:
    """The digits of a name that is a number; "" for another."""
    stem = os.path.splitext(os.path.basename(path))[0]
    digits = stem.rpartition("_")[2] if stem.startswith("COCO_") else stem
    return digits if digits.isascii() and digits.isdecimal() else ""


class YoloFolder:
    """A folder with a ``.txt`` file for each photo, in the sub-folders that the photos have.

    A line of a file is a box: the number of its class, then its middle, width and height in parts
    of the photo's, and with ``scores`` its score (Ultralytics, "Object Detection Datasets"). A
    photo without boxes has an empty file. ``classes.txt`` has the names of the classes, a line
    each, as labelImg writes it.
    Raises SqznetError if two photos would have the same file.
    """

    def __init__(
        self, folder: str, found: Sequence[Found], labels: Sequence[str], scores: bool
    ) -> None:
        folder = expanded(folder)
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise SqznetError(f"{printable(folder)}: is a file, expected a folder for YOLO's files")
        self._labels, self._scores = labels, scores
        self._no_files = {photo.path: photo for photo in found if photo.content is not None}
        self._places = Beside(folder, found, _text_name, "file of boxes")
        self._classes = os.path.join(folder, CLASSES)
        if any(self._places.target(photo.path) == self._classes for photo in found):
            raise SqznetError(f"{printable(self._classes)} would be that of a photo and of classes")

    def write(self, path: str, answers: Sequence[Detection]) -> None:
        image = self._no_files[path].image if path in self._no_files else path
        # As small as the decoder makes it: only the size of the whole photo is needed.
        height, width = decode(image, lambda height, width: (1, 1)).whole
        lines = []
        for detection in answers:
            x0, y0, x1, y1 = detection.box[:4]
            middle = (x0 + x1) / 2 / width, (y0 + y1) / 2 / height
            numbers = [*middle, (x1 - x0) / width, (y1 - y0) / height]
            line = " ".join([f"{detection.index}", *(f"{number:.6f}" for number in numbers)])
            lines.append(f"{line} {detection.score:.6f}\n" if self._scores else f"{line}\n")
        _write(self._places.made(path), "".join(lines))

    def finish(self) -> None:
        if os.path.isdir(os.path.dirname(self._classes) or os.curdir):  # a photo could be read
            _write(self._classes, "".join(f"{label}\n" for label in self._labels))


def _text_name(name: str) -> str:
    return f"{os.path.splitext(name)[0]}.txt"


def _write(path: str, text: str) -> None:
    try:
        write_file(path, text.encode("utf-8", "backslashreplace"))
    except (OSError, ValueError) as error:
        raise SqznetError(f"{printable(path)}: cannot be written: {reason_of(error)}") from None
