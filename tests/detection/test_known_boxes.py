"""Photos with known boxes: files of COCO, Pascal VOC and YOLO, and what is wrong with them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sqznet import SqznetError
from sqznet.detection.coco import CATEGORIES, coco_photos
from sqznet.detection.folders import photos_in
from sqznet.detection.matching import TrueBox
from sqznet.detection.true_photo import TruePhoto

LABELS = ("cat", "dog")
OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>11</xmin><ymin>21</ymin>"
    "<xmax>50</xmax><ymax>80.5</ymax></bndbox></object>"
)


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 80)).save(path)
    return path


def voc(folder: Path, *objects: str) -> Path:
    photo(folder / "a.png")
    (folder / "a.xml").write_text(f"<annotation>{''.join(objects)}</annotation>")
    return folder


def yolo(folder: Path, text: str) -> Path:
    photo(folder / "a.png")
    (folder / "a.txt").write_text(text)
    return folder


def coco(folder: Path, **changes: Any) -> Path:
    photo(folder / "a.png")
    content: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
        "categories": [{"id": 17, "name": "cat"}],
        "annotations": [
            {"image_id": 7, "category_id": 17, "bbox": [1, 2, 3, 4], "area": 5, "iscrowd": 1},
            {"image_id": 8, "category_id": 17, "bbox": [1, 2, 3, 4]},
        ],
    }
    path = folder / "coco.json"
    path.write_text(json.dumps({**content, **changes}))
    return path


def read(folder: Path, said: list[Any] | None = None) -> list[TruePhoto]:
    return photos_in(folder, LABELS, ([] if said is None else said).append)


# --- What is read --------------------------------------------------------------------------------


def test_voc(tmp_path: Path) -> None:
    voc(tmp_path, OBJECT.format("cat", 0), OBJECT.format("bus", 1))
    (found,) = read(tmp_path)
    assert found.found.path == str(tmp_path / "a.png")
    assert found.in_pixels(80, 100) == [
        TrueBox(10, 20, 50, 80.5, "cat"),
        TrueBox(10, 20, 50, 80.5, "bus", may_be_missed=True),
    ]


def test_yolo(tmp_path: Path) -> None:
    yolo(tmp_path, "1 0.5 0.5 0.2 0.1\n\n0 .1 .2 .3 .2 .3 .6 .1 .5\n1 0.5 0.5 1 1 0.93\n")
    (found,) = read(tmp_path)
    boxes = found.in_pixels(80, 100)
    assert [box.label for box in boxes] == ["dog", "cat", "dog"]
    assert [*map(list, (box[:4] for box in boxes))] == [
        pytest.approx([40, 36, 60, 44]),
        pytest.approx([10, 16, 30, 48]),  # the box of a polygon
        pytest.approx([0, 0, 100, 80]),  # and a score, which is ignored
    ]


def test_the_folders_of_data_sets_and_the_names_of_yolos_classes(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "train" / "b.jpg")
    labels = tmp_path / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "b.txt").write_text("1 0.5 0.5 1 1")
    photo(tmp_path / "v" / "JPEGImages" / "c.jpg")
    (tmp_path / "v" / "Annotations").mkdir()
    (tmp_path / "v" / "Annotations" / "c.xml").write_text(f"<a>{OBJECT.format('cat', 0)}</a>")
    assert [one.boxes[0].label for one in read(tmp_path)] == ["dog", "cat"]
    (tmp_path / "classes.txt").write_text("bus\ntram\n")
    assert [one.boxes[0].label for one in read(tmp_path)] == ["tram", "cat"]
    (labels / "classes.txt").write_text("one\ntwo\n")
    assert [one.boxes[0].label for one in read(tmp_path)] == ["two", "cat"]


@pytest.mark.parametrize(
    "text",
    [
        "names: [bus, 'tram']  # two",
        "names: [\n  bus,\n  tram,\n]\nnc: 2",
        'train: ../train\nnames:\n- bus\n- "tram"\nnc: 2',
        "names:\n  # by number\n  1: tram\n  0: bus\n",
    ],
)
def test_the_names_of_a_data_yaml(text: str, tmp_path: Path) -> None:
    """It lies in the folder, or above it, as where train/ and valid/ have one for both."""
    yolo(tmp_path / "train", "1 0.5 0.5 1 1")
    (tmp_path / "data.yaml").write_text(text)
    assert [one.boxes[0].label for one in read(tmp_path / "train")] == ["tram"]
    assert [one.boxes[0].label for one in read(tmp_path)] == ["tram"]
    (tmp_path / "train" / "classes.txt").write_text("one\ntwo\n")
    assert [one.boxes[0].label for one in read(tmp_path)] == ["two"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nc: 2\n", "no names of classes, expected 'names:'"),
        ("names: cat\n", "names are 'cat', expected a list of names, or a line such as '0: cat'"),
        ("names:\n  0: cat\n  2: dog\n", "names are '0: cat 2: dog', expected"),
        ("names:\nnc: 2\n", "names are '', expected"),
        ("names: [cat, '']\n", "expected a list of names"),
    ],
)
def test_a_data_yaml_without_names(text: str, reason: str, tmp_path: Path) -> None:
    yolo(tmp_path, "1 0.5 0.5 1 1")
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(SqznetError, match=re.escape(reason)):
        read(tmp_path)


def test_numbers_without_names(tmp_path: Path) -> None:
    yolo(tmp_path, "1 0.5 0.5 1 1")
    with pytest.raises(SqznetError, match="line 1: classes have numbers, and no file says their"):
        photos_in(tmp_path, (), [].append)


def test_photos_without_a_file(tmp_path: Path) -> None:
    photo(voc(tmp_path / "v", OBJECT.format("cat", 0)) / "b.png")
    photo(yolo(tmp_path / "y", "") / "b.png")
    said: list[Any] = []
    assert [len(one.boxes) for one in read(tmp_path / "v", said)] == [1]
    assert said == [
        f"{tmp_path / 'v'}: 1 of 2 photos have no file of boxes and are left out",
    ]
    assert [len(one.boxes) for one in read(tmp_path / "y", said)] == [0, 0]
    assert said[1:] == [
        f"{tmp_path / 'y'}: 1 of 2 photos have no file of boxes and count as photos without things",
    ]


def test_classes_of_which_not_all_things_have_a_box_are_crowds(tmp_path: Path) -> None:
    images = [
        {"id": 7, "file_name": "a.png", "width": 100, "height": 80},
        {"id": 8, "file_name": "b.png"},
    ]
    images[0]["not_exhaustive_category_ids"] = [17]
    (found,) = coco_photos(coco(tmp_path, images=images, annotations=[]), None, [].append)
    assert found.boxes == [TrueBox(0, 0, 100, 80, "cat", is_crowd=True)]
    for changes, reason in (
        ({"not_exhaustive_category_ids": [3]}, "have 3, which no category has"),
        ({"not_exhaustive_category_ids": 3}, "are 3, expected a list"),
        ({"width": None}, "an image's width is None, expected a number"),
    ):
        damaged = [{**images[0], **changes}]
        with pytest.raises(SqznetError, match=reason):
            coco_photos(coco(tmp_path, images=damaged, annotations=[]), None, [].append)


def test_coco(tmp_path: Path) -> None:
    said: list[Any] = []
    (found,) = coco_photos(coco(tmp_path), None, said.append)
    assert found.boxes == [TrueBox(1, 2, 4, 6, "cat", is_crowd=True, area=5)]
    (line,) = said
    assert line.endswith("coco.json: 1 of 2 photos are not there (b.png ...) and are left out")


@pytest.mark.parametrize("place", ["images", "../val2017", "../images/val2017", "elsewhere"])
def test_where_the_photos_of_coco_may_be(tmp_path: Path, place: str) -> None:
    (tmp_path / "annotations").mkdir()
    path = coco(tmp_path / "annotations")
    (tmp_path / "annotations" / "a.png").unlink()
    target = path.rename(path.with_name("instances_val2017.json"))
    there = photo(tmp_path / "annotations" / place / "a.png")
    folder = there.parent if place == "elsewhere" else None
    (found,) = coco_photos(target, folder, lambda _: None)
    assert Path(found.found.path).samefile(there)


def test_the_numbers_of_cocos_classes() -> None:
    assert len(CATEGORIES) == 80
    some = ("person", "stop sign", "cat", "backpack", "bottle", "dining table", "toothbrush")
    assert [CATEGORIES[name] for name in some] == [1, 13, 17, 27, 44, 67, 90]


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2 0.5 0.5 1 1", "line 1: the class is '2', expected a number from 0 to 1"),
        ("cat 0.5 0.5 1 1", "line 1: the class is 'cat', expected a number from 0 to 1"),
        ("0 0.5 0.5 1 1\n0 0.5 0.5", "line 2: 2 numbers after the class, expected 4"),
        ("0 0.5 0.5 1 wide", "line 1: a place is 'wide', expected a number"),
        ("0 0.5 0.5 1 nan", "line 1: a place is 'nan', expected a number"),
    ],
)
def test_bad_files_of_yolo(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SqznetError) as caught:
        read(yolo(tmp_path, text))
    assert str(caught.value) == f"{tmp_path / 'a.txt'}, {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<object>", "not XML: "),
        ("<object></object>", "an object without a name"),
        ("<object><name>cat</name></object>", "an object (cat) without xmin"),
        (OBJECT.format("cat", 0).replace("21", "left"), "ymin is 'left', expected a number"),
    ],
)
def test_bad_files_of_voc(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SqznetError) as caught:
        read(voc(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'a.xml'}: {said}")


def test_a_bomb_of_xml_ends(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 20}">' for i in range(1, 12))
    photo(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(
        f'<!DOCTYPE x [<!ENTITY a0 "boom">{entities}]><x><object>&a11;</object></x>'
    )
    with pytest.raises(SqznetError, match=r"a\.xml: not XML"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, "expected COCO's annotations: an object with images, annotations, "),
        ({"images": [{"id": 7}]}, "an image without file_name"),
        ({"categories": [3]}, "a category without id"),
        ({"annotations": [{"image_id": 7}]}, "an annotation without category_id"),
        (
            {"annotations": [{"image_id": 9, "category_id": 17}]},
            "an annotation has image_id 9, which no image has",
        ),
        (
            {"annotations": [{"image_id": 7, "category_id": 1}]},
            "an annotation has category_id 1, which no category has",
        ),
        (
            {"annotations": [{"image_id": 7, "category_id": 17, "bbox": [1, 2, 3]}]},
            "a bbox is a list, expected [x, y, width, height]",
        ),
        (
            {"annotations": [{"image_id": 7, "category_id": 17, "bbox": [1, 2, None, 3]}]},
            "a side of a bbox is None, expected a number",
        ),
        ({"images": [{"id": 7, "file_name": "x.png"}], "annotations": []}, "none of its 1 photos"),
    ],
)
def test_bad_annotations_of_coco(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = coco(tmp_path, **changes)
    with pytest.raises(SqznetError) as caught:
        coco_photos(path, None, lambda _: None)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_no_annotations(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content, said in (("{", "not JSON"), ("[" * 100_000, "not JSON"), ("[]", "expected COCO")):
        path.write_text(content)
        with pytest.raises(SqznetError, match=said):
            coco_photos(path, None, lambda _: None)
    path.unlink()
    with pytest.raises(SqznetError, match=r"x\.json: No such file"):
        coco_photos(path, None, lambda _: None)
    with pytest.raises(SqznetError, match="a folder without photos"):
        read(tmp_path)
    photo(tmp_path / "a.png")
    with pytest.raises(SqznetError, match=r"no photo has a file of boxes, expected VOC's \.xml or"):
        read(tmp_path)
