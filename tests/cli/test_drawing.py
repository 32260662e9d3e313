"""`sqznet classify --draw`: the drawings, their names, and what they never replace."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sqznet import Prediction
from sqznet.insight.labeling import labeled

from ..support.commands import Run
from ..support.places import CHELSEA, COFFEE
from ..support.watching import flat

pytestmark = pytest.mark.usefixtures("draws_text")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(COFFEE, folder / "coffee.jpg")
    Image.open(CHELSEA).save(folder / "sub" / "cat.webp")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def difference(drawn: Path, photo: Path) -> Any:
    """The largest difference of each row."""
    one, other = (np.asarray(Image.open(path).convert("RGB")) for path in (drawn, photo))
    return abs(one.astype(int) - other).max(axis=(1, 2))


def test_photos_with_labels(photos: Path, tmp_path: Path, small: Path, run: Run) -> None:
    drawn = tmp_path / "drawn"
    code, out, err = run("classify", photos, "--draw", drawn, "--model", small, "--format", "json")
    assert (code, err) == (0, "")
    assert len(json.loads(out)) == 2
    assert names(drawn) == ["coffee.jpg", "sub/cat.webp.jpg"]
    changed = difference(drawn / "coffee.jpg", photos / "coffee.jpg")
    assert changed[: len(changed) // 2 - 8].max() < 60  # a JPEG of a JPEG
    assert changed[-40:].max() > 100


def test_a_photo_without_a_sure_label_has_none(
    photos: Path, tmp_path: Path, small: Path, run: Run
) -> None:
    drawn = tmp_path / "drawn"
    options = ("--draw", drawn, "--model", small, "--min-score", "1")
    assert run("classify", photos / "coffee.jpg", *options).code == 0
    assert difference(drawn / "coffee.jpg", photos / "coffee.jpg").max() < 60


def test_drawings_are_no_photos_of_the_next_run(photos: Path, small: Path, run: Run) -> None:
    drawn = photos / "drawn"
    for _ in range(2):
        code, out, _ = run(
            *("classify", photos, "--draw", drawn, "--model", small, "--format", "jsonl")
        )
        assert (code, len(out.splitlines())) == (0, 2)
    assert names(drawn) == ["coffee.jpg", "sub/cat.webp.jpg"]


@pytest.mark.parametrize("named", [".", "coffee.jpg"])
def test_a_photo_is_never_replaced(photos: Path, small: Path, run: Run, named: str) -> None:
    before = (photos / "coffee.jpg").read_bytes()
    out = photos / "out.csv"
    code, _, err = run("classify", photos / named, "--draw", photos, "--model", small, "-o", out)
    assert code == 2
    assert err == (
        f"sqznet: {photos}: the drawing of coffee.jpg would replace coffee.jpg, expected another "
        "folder\n"
    )
    assert (photos / "coffee.jpg").read_bytes() == before
    assert names(photos) == ["coffee.jpg", "sub/cat.webp"]


def test_two_photos_never_share_a_drawing(
    photos: Path, tmp_path: Path, small: Path, run: Run
) -> None:
    shutil.copy(COFFEE, photos / "sub" / "cat.webp.jpg")
    code, _, err = run("classify", photos, "--draw", tmp_path / "drawn", "--model", small)
    assert (code, err.count("\n")) == (2, 1)
    assert "cat.webp.jpg and cat.webp would have the same drawing" in err


def test_a_photo_named_twice_is_drawn_once(
    photos: Path, tmp_path: Path, small: Path, run: Run
) -> None:
    cup, drawn = photos / "coffee.jpg", tmp_path / "drawn"
    assert run("classify", cup, cup, "--draw", drawn, "--model", small).code == 0
    assert names(drawn) == ["coffee.jpg"]


def test_a_place_that_cannot_be_written(
    photos: Path, tmp_path: Path, small: Path, run: Run
) -> None:
    place, out = tmp_path / "drawn", tmp_path / "out.jsonl"
    place.write_text("a file")
    code, _, err = run(
        *("classify", photos / "coffee.jpg", "--draw", place, "--model", small, "-o", out)
    )
    assert (code, err) == (1, f"sqznet: {place}: cannot be created: File exists\n")
    assert len(out.read_text().splitlines()) == 1  # the results are whole


def test_unreadable_photos_are_left_out(
    photos: Path, tmp_path: Path, small: Path, run: Run
) -> None:
    (photos / "bad.jpg").write_bytes(b"none")
    code, _, err = run("classify", photos, "--draw", tmp_path / "drawn", "--model", small)
    assert (code, err.count("\n")) == (1, 1)
    assert names(tmp_path / "drawn") == ["coffee.jpg", "sub/cat.webp.jpg"]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (9, 300), (300, 9), (40, 60), (480, 640)])
def test_any_size_and_number_of_labels(height: int, width: int) -> None:
    for count in (0, 1, 5, 50):
        many = [Prediction("a long label of a class " * 4, 1 / (i + 1), i) for i in range(count)]
        for activation in ("softmax", "none"):
            drawn = np.asarray(labeled(flat(90, height, width), many, activation))
            assert drawn.shape == (height, width, 3)
            assert (drawn != 90).any() == (count > 0 and min(height, width) >= 20)
            if height == 480:
                assert (drawn[: height // 2] == 90).all()
