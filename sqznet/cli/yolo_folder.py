"""YOLO's files of boxes, which `sqznet detect --format yolo` writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqznet.cli.drawing import Beside
from sqznet.detection.yolo_names import CLASSES
from sqznet.errors import SqznetError, printable, reason_of
from sqznet.files.part_file import write_file
from sqznet.files.paths import expanded
from sqznet.images.decoding import decode

if TYPE_CHECKING:
    from sqznet.boxes import Detection
    from sqznet.images.finding import Found


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
