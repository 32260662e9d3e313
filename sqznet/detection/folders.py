"""Folders of photos with known boxes: a file for each photo, as Pascal VOC and YOLO have them.

Such a file has the name of its photo, and lies beside it or where the data sets have it: VOC's
``Annotations/x.xml`` for ``JPEGImages/x.jpg``, YOLO's ``labels/x.txt`` for ``images/x.jpg``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from sqznet.detection.matching import TrueBox
from sqznet.detection.true_photo import TruePhoto, number, read_text
from sqznet.detection.yolo_names import Names
from sqznet.errors import ImageError, SqznetError, path_for_messages, printable, shown
from sqznet.files.paths import expanded
from sqznet.images.finding import expand


def photos_in(
    folder: str | os.PathLike[str],
    labels: Sequence[str],
    report: Callable[[str | ImageError], None],
) -> list[TruePhoto]:
    """The photos in a folder and its sub-folders, with their boxes.

    ``labels``: the names of classes in YOLO's files, which have numbers, if no file says them, see
    `sqznet.detection.yolo_names`. A photo without a file of
    its own has nothing on it if the others have YOLO's, which write no empty file; with VOC's it is
    left out. ``report``: called with a line about these, and about what is passed over.
    Raises SqznetError if no photo has a file of boxes, and if one of these cannot be read.
    """
    name, place = path_for_messages(folder), expanded(folder)
    found, xml, txt = [], {}, {}
    for photo in expand([place], _files_of_boxes(place), report):
        if photo.error is not None:
            raise SqznetError(str(photo.error))
        found.append(photo)
        if (path := _file_of(photo.path, "JPEGImages", "Annotations", ".xml")) is not None:
            xml[photo.path] = path
        elif (path := _file_of(photo.path, "images", "labels", ".txt")) is not None:
            txt[photo.path] = path
    if not xml and not txt:
        raise SqznetError(
            f"{name}: no photo has a file of boxes, expected VOC's .xml or YOLO's .txt beside it; "
            "of COCO's, name the .json file"
        )
    bare = len(found) - len(xml) - len(txt)
    if bare:
        what = "count as photos without things" if txt else "are left out"
        report(f"{name}: {bare} of {len(found)} photos have no file of boxes and {what}")
    names = Names(place, labels)
    made = []
    for photo in found:
        if photo.path in xml:
            made.append(TruePhoto(photo, _voc(xml[photo.path])))
        elif photo.path in txt:
            made.append(TruePhoto(photo, _yolo(txt[photo.path], names), in_parts=True))
        elif txt:
            made.append(TruePhoto(photo, []))
    return made


def _files_of_boxes(folder: str) -> list[str]:
    """What is no photo in a folder, and nothing to report: boxes, and names of classes."""
    return [
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith((".xml", ".txt", ".yaml", ".yml"))
    ]


def _file_of(photo: str, photos: str, files: str, suffix: str) -> str | None:
    """The file of boxes of a photo: beside it, or with ``files`` in place of the last folder called
    ``photos``."""
    stem = os.path.splitext(photo)[0]
    parts = stem.split(os.sep)
    places = [f"{stem}{suffix}"]
    if photos in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index(photos)
        places.append(os.sep.join([*parts[:last], files, *parts[last + 1 :]]) + suffix)
    return next((path for path in places if os.path.isfile(path)), None)


# --- Pascal VOC ----------------------------------------------------------------------------------


def _voc(path: str) -> list[TrueBox]:
    """The boxes of a file of VOC's: its pixels count from 1, and the last one belongs to the box
    ("The PASCAL Visual Object Classes Challenge 2012 Development Kit", annotation guidelines)."""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(read_text(path))
        return [_object(element) for element in root.iter("object")]
    except ElementTree.ParseError as error:
        reason = f"not XML: {error}"
    except SqznetError as error:
        reason = str(error)
    prefix = f"{path_for_messages(path)}: "
    raise SqznetError(f"{prefix}{reason.removeprefix(prefix)}")


def _object(element: Any) -> TrueBox:
    label = (element.findtext("name") or "").strip()
    if not label:
        raise SqznetError("an object without a name")
    box = element.find("bndbox")
    sides = []
    for side in ("xmin", "ymin", "xmax", "ymax"):
        text = None if box is None else box.findtext(side)
        if text is None:
            raise SqznetError(f"an object ({printable(label)}) without {side}")
        sides.append(number(text, side))
    x0, y0, x1, y1 = sides
    difficult = (element.findtext("difficult") or "0").strip() not in ("0", "")
    return TrueBox(x0 - 1, y0 - 1, x1, y1, label, may_be_missed=difficult)


# --- YOLO ----------------------------------------------------------------------------------------


def _yolo(path: str, names: Names) -> list[TrueBox]:
    """The boxes of a file of YOLO's, a line each: the number of the class, then the middle, width
    and height in parts of the photo's (Ultralytics, "Object Detection Datasets"). Of more numbers,
    a polygon or a score, the polygon's box is taken, and the score is ignored."""
    name = path_for_messages(path)
    lines = read_text(path).decode("utf-8", "replace").splitlines()
    labels = names.of(os.path.dirname(path))
    boxes = []
    for count, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        try:
            boxes.append(_line(words, labels))
        except SqznetError as error:
            raise SqznetError(f"{name}, line {count}: {error}") from None
    return boxes


def _line(words: list[str], labels: Sequence[str]) -> TrueBox:
    if not labels:
        raise SqznetError(
            "classes have numbers, and no file says their names: expected a classes.txt with a "
            "name a line, or a data.yaml with names, beside the photos or in a folder above"
        )
    index = int(words[0]) if re.fullmatch("[0-9]{1,9}", words[0]) else -1
    if not 0 <= index < len(labels):
        raise SqznetError(
            f"the class is {shown(words[0])}, expected a number from 0 to {len(labels) - 1}"
        )
    places = [number(word, "a place") for word in words[1:]]
    label = labels[index]
    if len(places) >= 6 and len(places) % 2 == 0:
        xs, ys = places[::2], places[1::2]
        return TrueBox(min(xs), min(ys), max(xs), max(ys), label)
    if len(places) not in (4, 5):
        raise SqznetError(f"{len(places)} numbers after the class, expected 4")
    x, y, width, height = places[:4]
    return TrueBox(x - width / 2, y - height / 2, x + width / 2, y + height / 2, label)
