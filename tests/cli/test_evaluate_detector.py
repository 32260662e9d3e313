"""`sqznet evaluate --detector` and `sqznet.evaluate_detector`: figures, formats, the picture."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sqznet
from sqznet import Detector
from sqznet.detection.evaluation import ClassAccuracy

from ..support.commands import Run
from ..support.places import CHELSEA, COFFEE

NAME = "squeezenet1_1_detector"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return sqznet.load_detector(size=128)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A cat and nothing, with YOLO's files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(CHELSEA, folder / "chelsea.jpg")
    shutil.copy(COFFEE, folder / "coffee.jpg")
    (folder / "chelsea.txt").write_text("1 0.5 0.5 1 1\n")
    (folder / "coffee.txt").write_text("")
    return folder


def test_the_result(photos: Path, detector: Detector) -> None:
    found = sqznet.evaluate_detector(photos, detector=detector)
    assert isinstance(found, sqznet.DetectionEvaluation)
    assert (found.photos, found.unreadable) == (2, 0)
    assert found.labels == detector.labels
    assert found.ap50 == 1  # of the only class that is there
    assert [row.things for row in found.figures()] == [0, 1, 0, 0, 0, 0]
    assert found.counts(0.35)[1:] == (1, 1, 1)


def test_coco_is_the_same(photos: Path, tmp_path: Path, detector: Detector) -> None:
    content = {
        "images": [{"id": 1, "file_name": "chelsea.jpg"}, {"id": 2, "file_name": "coffee.jpg"}],
        "categories": [{"id": 3, "name": "Cat"}],
        "annotations": [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 451, 300]}],
    }
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    found = sqznet.evaluate_detector(path, detector=detector, folder=photos)
    expected = sqznet.evaluate_detector(photos, detector=detector)
    assert found.to_dict() == expected.to_dict()


def test_what_is_left_out_is_reported(photos: Path, detector: Detector) -> None:
    (photos / "bad.jpg").write_bytes(b"none")
    said: list[Any] = []
    found = sqznet.evaluate_detector(photos, detector=detector, report=said.append)
    assert (found.photos, found.unreadable) == (2, 1)
    assert ["1 of 3 photos have no file" in str(said[0]), "bad.jpg" in str(said[1])] == [True, True]
    with pytest.warns(UserWarning, match="no file of boxes"), pytest.warns(match=r"bad\.jpg"):
        sqznet.evaluate_detector(photos, detector=detector)


def test_what_it_refuses(photos: Path, detector: Detector, tmp_path: Path) -> None:
    for place, said in (
        (3, "expected a folder or a COCO annotation file, found a int"),
        (tmp_path / "absent", "absent: no such file or folder"),
        (CHELSEA, "not JSON, expected COCO's annotations"),
    ):
        with pytest.raises(sqznet.SqznetError, match=said):
            sqznet.evaluate_detector(place, detector=detector)  # type: ignore[arg-type]
    with pytest.raises(sqznet.SqznetError, match="is for a COCO annotation file"):
        sqznet.evaluate_detector(photos, detector=detector, folder=photos)
    with pytest.raises(sqznet.WeightsError):
        sqznet.evaluate_detector(photos, detector="absent.safetensors")


def test_a_table(photos: Path, run: Run) -> None:
    code, out, err = run("evaluate", "--detector", NAME, "--size", "128", photos)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "2 photos, 1 thing"
    assert lines[1].startswith("AP, overlaps 0.5 to 0.95")
    assert lines[2].split() == ["AP50,", "overlap", "0.5", "100.0", "%"]
    threshold, *rest = lines[9].split()
    assert (threshold, rest) == ("0.5", ["1", "100.0", "%", "100.0", "%"])
    assert lines[-5].split()[:2] == ["cat", "1"]
    assert lines[-1].split() == ["sheep", "0", "-", "-", "-", "-"]


def test_csv_and_json(photos: Path, run: Run, detector: Detector) -> None:
    expected = sqznet.evaluate_detector(photos, detector=detector)
    args = ("evaluate", "--detector", NAME, "--size", "128", photos)
    code, out, err = run(*args, "--format", "csv")
    assert (code, err) == (0, "")
    header, *rows = csv.reader(io.StringIO(out))
    assert tuple(header) == ClassAccuracy._fields
    assert rows == [["" if v is None else str(v) for v in row] for row in expected.figures()]
    code, out, err = run(*args, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == expected.to_dict()


@pytest.mark.usefixtures("draws_text")
def test_the_picture(photos: Path, tmp_path: Path, run: Run) -> None:
    target = tmp_path / "curves.png"
    args = ("evaluate", "--detector", NAME, "--size", "128", photos, "-o", target)
    code, out, _ = run(*args)
    assert code == 0
    assert out.endswith(f"\n{target}: precision over recall, at an overlap of 0.5\n")
    colors = {color for _, color in Image.open(target).getcolors(1 << 20)}
    assert (0x56, 0xB4, 0xE9) in colors  # the cat's
    assert (0xD5, 0x5E, 0x00) not in colors  # no person is on the photos


def test_unreadable_photos_are_counted(photos: Path, run: Run) -> None:
    (photos / "bad.jpg").write_bytes(b"none")
    code, out, err = run("evaluate", "--detector", NAME, "--size", "128", photos, "--json")
    assert code == 1
    assert json.loads(out)["unreadable"] == 1
    assert "bad.jpg" in err


@pytest.mark.parametrize(
    ("args", "said", "expected"),
    [
        (("--labels", "x"), "--labels is for a classifier", 2),
        (("--conv10-relu", "no"), "--conv10-relu is for a classifier", 2),
        (("--size", "1"), "size is 1 x 1 pixels, expected sides from 128 up", 2),
        (("--photos", "x"), "a folder of photos is for a COCO annotation file", 1),
        (("-o", "x.gif"), "x.gif: ends in .gif, expected one of .png", 2),
    ],
)
def test_options(photos: Path, run: Run, args: tuple[str, ...], said: str, expected: int) -> None:
    code, out, err = run("evaluate", "--detector", NAME, photos, *args)
    assert (code, out) == (expected, "")
    assert err.startswith(f"sqznet: {said}")


def test_options_of_a_detector_alone(photos: Path, run: Run) -> None:
    assert run("evaluate", photos, "--size", "128") == (
        2,
        "",
        "sqznet: --size is for a detector: add --detector\n",
    )
