"""COCO's files: its annotations, which say what is on photos, and the numbers of its classes.

The format: cocodataset.org, "Data format"; a box is [x, y, width, height] in pixels. An image may
name classes of which not all things have a box, as LVIS does (lvisdataset.org, "Data format"):
``not_exhaustive_category_ids``.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from sqznet.detection.matching import TrueBox
from sqznet.detection.true_photo import TruePhoto, number, read_text
from sqznet.errors import SqznetError, path_for_messages, printable, shown
from sqznet.files.paths import expanded
from sqznet.images.finding import Found

Kind = TypeVar("Kind")

# instances_train2017.json has 450 MB.
_MOST_BYTES = 1 << 31


class Annotations(NamedTuple):
    """``images``: the file name of each image by its id; ``categories``: the name of each class by
    its id; ``boxes``: those on each image by its id, a crowd as large as the image for a class of
    which not all things have one."""

    images: dict[int, str]
    categories: dict[int, str]
    boxes: Mapping[int, list[TrueBox]]


def coco_photos(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None,
    report: Callable[[str], None],
) -> list[TruePhoto]:
    """The photos of an annotation file, with their boxes.

    ``folder``: where they are; default: beside the file, in a folder ``images`` there, or, as COCO
    has them, in ``../val2017`` for a file ``instances_val2017.json``. ``report``: called with a
    line about photos that are not there, which are left out.
    Raises SqznetError if this is no annotation file, and if none of its photos is there.
    """
    name, known = path_for_messages(path), read_annotations(path)
    places = [expanded(folder)] if folder is not None else _places(expanded(path))
    photos, missing = [], []
    for number_of_image, image in known.images.items():
        full = (os.path.join(place, image) for place in places)
        found = next((photo for photo in full if os.path.isfile(photo)), None)
        if found is None:
            missing.append(image)
        else:
            photos.append(TruePhoto(Found(found), known.boxes.get(number_of_image, [])))
    if not photos:
        first = f" ({printable(missing[0])} ...)" if missing else ""
        raise SqznetError(
            f"{name}: none of its {len(missing)} photos{first} is in "
            f"{' or '.join(map(path_for_messages, places))}"
        )
    if missing:
        count = f"{len(missing)} of {len(known.images)} photos are not there"
        report(f"{name}: {count} ({printable(missing[0])} ...) and are left out")
    return photos


def _places(file: str) -> list[str]:
    beside = os.path.dirname(file) or os.curdir
    stem = os.path.splitext(os.path.basename(file))[0]
    split = stem.rpartition("_")[2]
    above = os.path.join(beside, os.pardir)
    return [
        beside,
        os.path.join(beside, "images"),
        os.path.join(above, split),
        os.path.join(above, "images"),
        os.path.join(above, "images", split),
    ]


def read_annotations(path: str | os.PathLike[str]) -> Annotations:
    """What an annotation file says. Raises SqznetError, naming it, if it is none."""
    name = path_for_messages(path)
    content = read_text(expanded(path), _MOST_BYTES)
    try:
        return _parsed(json.loads(content))
    except SqznetError as error:
        raise SqznetError(f"{name}: {error}") from None
    except (ValueError, RecursionError):
        raise SqznetError(f"{name}: not JSON, expected COCO's annotations") from None


def _parsed(content: Any) -> Annotations:
    kinds = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(kind), list) for kind in kinds
    ):
        raise SqznetError(f"expected COCO's annotations: an object with {', '.join(kinds)}")
    names = {
        _of(row, "a category", "id", int): _of(row, "a category", "name", str)
        for row in content["categories"]
    }
    images = {
        _of(row, "an image", "id", int): _of(row, "an image", "file_name", str)
        for row in content["images"]
    }
    boxes: defaultdict[int, list[TrueBox]] = defaultdict(list)
    for row in content["images"]:
        boxes[row["id"]] += _whole_image(row, names)
    for row in content["annotations"]:
        image, category = (
            _of(row, "an annotation", "image_id", int),
            _of(row, "an annotation", "category_id", int),
        )
        if image not in images:
            raise SqznetError(f"an annotation has image_id {shown(image)}, which no image has")
        if category not in names:
            raise SqznetError(
                f"an annotation has category_id {shown(category)}, which no category has"
            )
        if "bbox" in row:
            boxes[image].append(_box(row, names[category]))
    return Annotations(images, names, boxes)


def _whole_image(row: Any, names: Mapping[int, str]) -> list[TrueBox]:
    """A box for each class of which not all things on this image have one."""
    partly = row.get("not_exhaustive_category_ids", [])
    if not isinstance(partly, list):
        raise SqznetError(
            f"an image's not_exhaustive_category_ids are {shown(partly)}, expected a list"
        )
    if not partly:
        return []
    width, height = (number(row.get(side), f"an image's {side}") for side in ("width", "height"))
    for category in partly:
        if not isinstance(category, int) or category not in names:
            raise SqznetError(
                f"an image's not_exhaustive_category_ids have {shown(category)}, which no category "
                "has"
            )
    return [TrueBox(0, 0, width, height, names[category], is_crowd=True) for category in partly]


def _of(row: Any, kind: str, key: str, type_: type[Kind]) -> Kind:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, type_):
        raise SqznetError(f"{kind} without {key}")
    return value


def _box(row: dict[str, Any], label: str) -> TrueBox:
    sides = row["bbox"]
    if not isinstance(sides, list) or len(sides) != 4:
        raise SqznetError(f"a bbox is {shown(sides)}, expected [x, y, width, height]")
    x, y, width, height = (number(side, "a side of a bbox") for side in sides)
    area = number(row["area"], "an area") if row.get("area") is not None else None
    return TrueBox(x, y, x + width, y + height, label, is_crowd=bool(row.get("iscrowd")), area=area)


# --- Results -------------------------------------------------------------------------------------

_NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,,"
    "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,,"
    "backpack,umbrella,,,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,"
    "baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,,wine glass,cup,"
    "fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,"
    "cake,chair,couch,potted plant,bed,,dining table,,,toilet,,tv,laptop,mouse,remote,keyboard,"
    "cell phone,microwave,oven,toaster,sink,refrigerator,,book,clock,vase,scissors,teddy bear,"
    "hair drier,toothbrush"
)
#: The numbers of COCO's 80 classes in its annotations of 2014 and 2017.
CATEGORIES = {name: number for number, name in enumerate(_NAMES.split(","), start=1) if name}
