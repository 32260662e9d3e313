"""`sqznet detect`: its formats, drawings, resuming, and errors."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet import Detection, Detector
from sqznet.cli.coco_results import own_numbers
from sqznet.cli.columns import BoxRows

from ..support.answer_files import need
from ..support.commands import Result
from ..support.places import CHELSEA, COFFEE, EXAMPLES

Run = Callable[..., Result]

ASTRONAUT = EXAMPLES / "astronaut.jpg"
HEADER = "path,rank,label,score,index,x0,y0,x1,y1,model"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return sqznet.load_detector(size=128)


@pytest.fixture
def detect(run: Run) -> Run:
    """`sqznet detect` with a small input, and a threshold at which there are several boxes."""
    return lambda *args: run("detect", *args, "--size", "128", "--threshold", "0.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    (place / "sub").mkdir(parents=True)
    shutil.copy(CHELSEA, place / "chelsea.jpg")
    shutil.copy(ASTRONAUT, place / "sub" / "astronaut.jpg")
    Image.new("RGB", (64, 48)).save(place / "sub" / "empty.png")
    return place


def expected(detector: Detector, folder: Path) -> dict[str, list[Detection]]:
    return {path: found for path, found, _ in detector.detect_files(folder, threshold=0.1)}


# --- Output --------------------------------------------------------------------------------------


def test_a_table(run: Run, detector: Detector) -> None:
    (cat,) = detector.detect(CHELSEA)
    code, out, err = run("detect", CHELSEA, COFFEE, "--size", "128")
    x0, y0, x1, y1 = (f"{side:.0f}" for side in cat.box[:4])
    line = f"  1  cat  {100 * cat.score:6.2f} %  columns {x0} to {x1}, rows {y0} to {y1}"
    assert (code, err) == (0, "")
    assert out == f"{CHELSEA}\n{line}\n\n{COFFEE}\n  nothing found\n"


@pytest.mark.parametrize("format_name", ["csv", "json", "jsonl", "parquet"])
def test_each_format_holds_the_answers(
    folder: Path, tmp_path: Path, format_name: str, detect: Run, detector: Detector
) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    code, out, err = detect(folder, "-o", target)
    assert (code, out, err) == (0, f"{target}: 3 photos\n", "")
    wanted = [
        (path, rank, one.label, one.score, one.index, *one.box[:4])
        for path, found in expected(detector, folder).items()
        for rank, one in enumerate(found, start=1)
    ]
    assert len(wanted) > 2
    rows, models = read(target)
    assert [row for row in rows if row[1] is not None] == [
        tuple(pytest.approx(v, rel=1e-6) if isinstance(v, float) else v for v in row)
        for row in wanted
    ]
    assert [row[0] for row in rows if row[1] is None] == [str(folder / "sub" / "empty.png")]
    assert models == {detector.fingerprint}


def read(path: Path) -> tuple[list[tuple[Any, ...]], set[str]]:
    """The rows of a file of any format, and the models that they name."""
    if path.suffix == ".parquet":
        table = pytest.importorskip("pyarrow.parquet").read_table(path)
        rows = [list(row.values()) for row in table.to_pylist()]
        assert tuple(table.column_names) == BoxRows.names
    elif path.suffix == ".csv":
        header, *texts = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
        assert ",".join(header) == HEADER
        kinds = (str, int, str, float, int, *[float] * 4, str)
        rows = [
            [kind(v) if v else None for kind, v in zip(kinds, row, strict=True)] for row in texts
        ]
    else:
        text = path.read_text(encoding="utf-8")
        photos = json.loads(text) if path.suffix == ".json" else map(json.loads, text.splitlines())
        rows = []
        for photo in photos:
            for rank, one in enumerate(photo["detections"], start=1):
                values = (one["label"], one["score"], one["index"], *one["box"])
                rows.append([photo["path"], rank, *values, photo["model"]])
            if not photo["detections"]:
                rows.append([photo["path"], *[None] * 8, photo["model"]])
    return [tuple(row[:-1]) for row in rows], {row[-1] for row in rows}


@pytest.mark.parametrize("format_name", ["csv", "json", "jsonl", "parquet"])
def test_resume(folder: Path, tmp_path: Path, format_name: str, detect: Run) -> None:
    need(format_name)
    whole, target = (tmp_path / f"{name}.{format_name}" for name in ("whole", "out"))
    assert detect(folder, "-o", whole).code == 0
    assert detect(folder / "chelsea.jpg", "-o", target).code == 0
    code, out, _ = detect(folder, "-o", target, "--resume")
    assert (code, out) == (0, f"{target}: 2 photos added\n")
    assert read(target) == read(whole)


def test_files_of_classify_are_not_continued(
    tmp_path: Path, run: Run, detect: Run, small: Path
) -> None:
    for format_name in ("csv", "jsonl"):
        target = tmp_path / f"out.{format_name}"
        assert run("classify", CHELSEA, "--model", small, "-o", target).code == 0
        before = target.read_bytes()
        code, _, err = detect(CHELSEA, "-o", target, "--resume")
        assert code == 1
        assert "cannot continue this file: found" in err
        assert target.read_bytes() == before


def test_coco_results(tmp_path: Path, detect: Run, detector: Detector) -> None:
    photos = [tmp_path / name for name in ("000000000139.jpg", "COCO_val2014_000000000042.jpg")]
    for source, target in zip((CHELSEA, ASTRONAUT), photos, strict=True):
        shutil.copy(source, target)
    target = tmp_path / "results.json"
    code, out, err = detect(*photos, "--format", "coco", "-o", target)
    assert (code, out, err) == (0, f"{target}: 2 photos\n", "")
    rows = json.loads(target.read_text())
    assert rows == json.loads(detect(*photos, "--format", "coco").out)
    found = detector.detect(photos, threshold=0.1)
    wanted = [(image, one) for image, boxes in zip((139, 42), found, strict=True) for one in boxes]
    categories = {"person": 1, "cat": 17, "dog": 18, "horse": 19, "sheep": 20, "cow": 21}
    for row, (image, one) in zip(rows, wanted, strict=True):
        assert (row["image_id"], row["category_id"]) == (image, categories[one.label])
        x0, y0, x1, y1 = one.box[:4]
        assert row["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0], rel=1e-6)
        assert row["score"] == pytest.approx(one.score, rel=1e-6)


def test_numbers_of_images_and_classes() -> None:
    def images(*paths: str) -> list[int]:
        return list(own_numbers(paths, ["cat"]).images.values())

    assert images("a/0012.jpg", "b/COCO_x_7.png") == [12, 7]
    assert images("a/12.jpg", "x12.jpg") == images("a/12.jpg", "b/12.jpg") == [1, 2]
    assert images("12.jpg", "12.jpg") == [12]
    assert own_numbers([], ["dog", "person"]).categories == [18, 1]
    assert own_numbers([], ["dog", "robot"]).categories == [1, 2]


def test_photos_that_are_numbered_are_announced(detect: Run) -> None:
    code, out, err = detect(CHELSEA, "--format", "coco")
    assert code == 0
    assert {row["image_id"] for row in json.loads(out)} == {1}
    assert err.startswith(
        "sqznet: image_id is the number of the photo, from 1, since not all names"
    )
    assert err.count("\n") == 1


def test_numbers_of_an_annotation_file(tmp_path: Path, detect: Run, detector: Detector) -> None:
    known: dict[str, Any] = {
        "images": [{"id": 77, "file_name": "some/chelsea.jpg"}],
        "categories": [{"id": 5, "name": "Cat"}],
        "annotations": [],
    }
    path = tmp_path / "truth.json"
    options = ("--format", "coco", "--annotations", path)

    def said() -> tuple[int, str]:
        path.write_text(json.dumps(known))
        code, _, err = detect(CHELSEA, *options)
        return code, err

    assert said() == (0, "")
    rows = json.loads(detect(CHELSEA, *options).out)
    cats = [one for one in detector.detect(CHELSEA, threshold=0.1) if one.label == "cat"]
    assert [(row["image_id"], row["category_id"]) for row in rows] == [(77, 5)] * len(cats)
    known["categories"][0]["name"] = "bus"
    assert said() == (2, f"sqznet: {path}: has none of the classes {', '.join(detector.labels)}\n")
    known["images"].append({"id": 78, "file_name": "other/chelsea.jpg"})
    assert said() == (2, f"sqznet: {path}: two images are called chelsea.jpg\n")
    known["images"] = []
    assert said() == (2, f"sqznet: {path}: no image is called {CHELSEA}\n")


@pytest.mark.parametrize("scores", [(), ("--scores",)])
def test_yolo(
    folder: Path, tmp_path: Path, scores: tuple[str, ...], detect: Run, detector: Detector
) -> None:
    target = tmp_path / "labels"
    code, out, err = detect(folder, "--format", "yolo", "-o", target, *scores)
    assert (code, out, err) == (0, f"{target}: 3 photos\n", "")
    assert (target / "classes.txt").read_text().split() == list(detector.labels)
    assert (target / "sub" / "empty.txt").read_text() == ""
    found = expected(detector, folder)[str(folder / "chelsea.jpg")]
    lines = (target / "chelsea.txt").read_text().splitlines()
    height, width = 300, 451
    for line, one in zip(lines, found, strict=True):
        index, x, y, w, h, *more = map(float, line.split())
        assert index == one.index
        sides = ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width)
        assert [*sides, (y + h / 2) * height] == pytest.approx(one.box[:4], abs=1e-3)
        assert more == ([pytest.approx(one.score, abs=1e-6)] if scores else [])


def test_yolo_has_the_size_of_turned_photos(tmp_path: Path, detect: Run) -> None:
    turned = Image.open(CHELSEA).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    shutil.copy(CHELSEA, tmp_path / "chelsea.jpg")
    assert detect(tmp_path, "--format", "yolo", "-o", tmp_path / "l").code == 0
    one, other = ((tmp_path / "l" / f"{n}.txt").read_text() for n in ("chelsea", "turned"))
    first, second = ([float(v) for v in text.split("\n")[0].split()] for text in (one, other))
    assert second == pytest.approx(first, abs=0.03)


@pytest.mark.usefixtures("draws_text")
def test_a_photo_on_stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, detect: Run) -> None:
    for options in (("--draw", tmp_path / "d"), ("--format", "yolo", "-o", tmp_path / "l")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CHELSEA.read_bytes())))
        assert detect("-", *options).code == 0
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["-.jpg", "-.txt", "classes.txt"]


@pytest.mark.usefixtures("draws_text")
def test_drawings(folder: Path, tmp_path: Path, detect: Run, detector: Detector) -> None:
    drawn = tmp_path / "drawn"
    assert detect(folder, "--draw", drawn, "-q").code == 0
    names = sorted(str(path.relative_to(drawn)) for path in drawn.rglob("*") if path.is_file())
    assert names == ["chelsea.jpg", "sub/astronaut.jpg", "sub/empty.png"]
    box = expected(detector, folder)[str(folder / "chelsea.jpg")][0].box
    picture, photo = (np.asarray(Image.open(path)) for path in (drawn / "chelsea.jpg", CHELSEA))
    changed = abs(picture.astype(int) - photo).max(axis=2) > 60
    row = round((box.y0 + box.y1) / 2)
    assert changed[row, round(box.x0)]
    assert not changed[row, round(box.x0) + 20 : round(box.x0) + 40].any()


def test_names_for_what_is_in_each_box(
    tmp_path: Path, run: Run, small: Path, detector: Detector
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"none")
    model = sqznet.load(small)
    args = ("detect", CHELSEA, bad, ASTRONAUT, "--size=128", "--classify", small, "--json")
    code, out, err = run(*args)
    assert code == 1
    assert err.startswith(f"sqznet: {bad}: ")
    for row, photo in zip(json.loads(out), (CHELSEA, ASTRONAUT), strict=True):
        expected = detector.detect(photo, classify=model)
        assert [one["label"] for one in row["detections"]] == [one.label for one in expected]
        assert row["model"] == f"{detector.fingerprint}+{model.fingerprint}"
    code, _, err = run("detect", CHELSEA, "--classify", tmp_path / "absent.pth")
    assert code == 1
    assert "absent.pth" in err


# --- Options and errors --------------------------------------------------------------------------


def test_thresholds_by_label(run: Run, detector: Detector) -> None:
    found = detector.detect(CHELSEA, threshold=0.1)
    cats = sum(one.label == "cat" for one in found)
    assert cats > 0
    for threshold, count in (("cat=0.1,dog=1", cats), ("cat=1", 0), ("1", 0), ("0.1", len(found))):
        code, out, _ = run("detect", CHELSEA, "--size=128", "--threshold", threshold, "--json")
        assert code == 0
        assert len(json.loads(out)[0]["detections"]) == count, threshold
    (one,) = json.loads(run("detect", CHELSEA, "--size=128x160", "--top=1", "--json").out)
    assert len(one["detections"]) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--threshold", "high"), "expected a score from 0 to 1 or label=score,..., got 'high'"),
        (("--threshold", "2"), "threshold is 2.0, expected a number from 0 to 1"),
        (("--threshold", "cat=-1"), "threshold of cat is -1.0, expected a number from 0 to 1"),
        (("--threshold", "bird=0.5"), "threshold has the label 'bird', expected one of person, "),
        (("--size", "big"), "expected a number of pixels or HEIGHTxWIDTH, got 'big'"),
        (("--size", "100"), "size is 100 x 100 pixels, expected sides from 128 up"),
        (("--scores",), "--scores is for the format yolo, table always has scores"),
        (("--annotations", "x.json"), "--annotations is for the format coco, not for table"),
        (("--format", "yolo"), "--format yolo writes a file for each photo: name a folder with -o"),
        (("--format", "parquet"), "Parquet is not text for a terminal: name a file with -o"),
        (("--resume",), "--resume needs the file to continue: name it with -o"),
        (
            ("--resume", "--format", "coco", "-o", "x.json"),
            "--resume needs a csv, json, jsonl or parquet file, not the format coco",
        ),
        (("-o", "x.xyz"), "x.xyz: no format has this suffix, expected .txt, .csv"),
    ],
)
def test_wrong_usage(run: Run, args: tuple[str, ...], said: str) -> None:
    code, out, err = run("detect", CHELSEA, *args)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_two_photos_with_the_same_file_of_boxes(tmp_path: Path, detect: Run) -> None:
    for name in ("a.jpg", "a.jpeg", "classes.jpg"):
        shutil.copy(CHELSEA, tmp_path / name)
    labels = tmp_path / "labels"
    code, _, err = detect(*tmp_path.glob("a.*"), "--format", "yolo", "-o", labels)
    assert code == 2
    assert "would have the same file of boxes" in err
    code, _, err = detect(tmp_path / "classes.jpg", "--format", "yolo", "-o", labels)
    assert code == 2
    assert "would be that of a photo and of classes" in err
    code, _, err = detect(CHELSEA, "--format", "yolo", "-o", tmp_path / "a.jpg")
    assert code == 2
    assert not labels.exists()


def test_unreadable_photos_and_other_weights(tmp_path: Path, detect: Run, small: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"none")
    code, out, err = detect(bad, CHELSEA, "--json")
    assert code == 1
    assert [row["path"] for row in json.loads(out)] == [str(CHELSEA)]
    assert err.startswith(f"sqznet: {bad}: ")
    code, out, err = detect(CHELSEA, "--model", small)
    assert (code, out) == (1, "")
    assert err.startswith(f"sqznet: {small}: is not a detector")
    assert detect(bad, "--format", "yolo", "-o", tmp_path / "l").code == 1
    assert not (tmp_path / "l").exists()
