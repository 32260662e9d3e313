"""tools/train_bundled_detector.py, with a few photos of the same form."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

import sqznet

from ..support import boxed_photos
from ..support.places import ROOT

TOOL = ROOT / "tools" / "train_bundled_detector.py"
NUMBERS = (7, 9, 11, 12, 14, 16)

pytestmark = pytest.mark.skipif(not TOOL.is_file(), reason="the tests are not beside the tools")


def packed(folder: Path, count: int) -> None:
    """photos.bin and photos.npz with a thing of each class; the last four photos are held out."""
    rng = np.random.default_rng(0)
    jpegs, rows = [], []
    for index in range(count):
        photo, boxes = boxed_photos.photo(rng)
        file = io.BytesIO()
        photo.save(file, "JPEG")
        jpegs.append(file.getvalue())
        for offset, (_, sides) in enumerate(boxes):
            number = NUMBERS[(2 * index + offset) % len(NUMBERS)]
            rows.append([*(side / 160 for side in sides), number, index % 5 == 4])
    (folder / "photos.bin").write_bytes(b"".join(jpegs))
    np.savez(
        folder / "photos.npz",
        off=np.cumsum([0, *map(len, jpegs)]),
        boxes=np.array(rows, np.float32),
        nbox=np.full(count, 2),
        split=np.arange(count) >= count - 4,
        mask=np.where(np.arange(count) % 4 == 3, 2, 0),
    )


def test_the_photos_become_files_of_coco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOOL.parent)
    import train_bundled_detector as tool

    packed(tmp_path, 12)
    target = tmp_path / "files"
    target.mkdir()
    tool.unpack(tmp_path, target, None)
    made = {name: json.loads((target / f"{name}.json").read_text()) for name in ("train", "val")}
    images: dict[str, list[Any]] = {name: content["images"] for name, content in made.items()}
    assert [row["id"] for row in images["train"]] == list(range(8))
    assert [row["id"] for row in images["val"]] == [8, 9, 10]  # people are missing on the last
    partly = [row["id"] for row in images["train"] if "not_exhaustive_category_ids" in row]
    assert partly == [3, 7]
    boxes = made["train"]["annotations"]
    assert len(boxes) == 16
    assert [box["image_id"] for box in boxes if box["iscrowd"]] == [4, 4]
    _, expected = boxed_photos.photo(np.random.default_rng(0))
    x0, y0, x1, y1 = expected[0][1]
    assert boxes[0]["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=1e-3)
    (target / "few").mkdir()
    tool.unpack(tmp_path, target / "few", 3)
    assert len(list((target / "few").glob("*.jpg"))) == 3 + 3


@pytest.mark.slow
def test_a_short_run_makes_a_detector(tmp_path: Path) -> None:
    packed(tmp_path, 16)
    made = tmp_path / "made.safetensors"
    command = [sys.executable, TOOL, tmp_path, "-o", made, "--minutes", "0.2", "--size", "128"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "AP50, overlap 0.5" in done.stdout
    detector = sqznet.load_detector(made)
    assert detector.labels == ("person", "cat", "dog", "horse", "cow", "sheep")
    assert detector.size == (128, 128)
