"""What the benchmark of the detector's accuracy reads and prints."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import detection_accuracy
from benchmarks.material import MissingError
from sqznet.detection.evaluation import DetectionEvaluation
from sqznet.detection.matching import Matches, TrueBox
from sqznet.detection.precision import rankings


def test_only_photos_that_training_has_not_seen_and_that_are_boxed_completely(
    tmp_path: Path,
) -> None:
    content = []
    for width in (10, 20, 30):
        file = io.BytesIO()
        Image.new("RGB", (width, 10)).save(file, "JPEG")
        content.append(file.getvalue())
    folder = tmp_path / "detection"
    folder.mkdir()
    (folder / "photos.bin").write_bytes(b"".join(content))
    dog, plane, hard = [0, 0, 0.5, 1, 11, 0], [0, 0, 1, 1, 0, 0], [0.5, 0, 1, 1, 14, 1]
    np.savez(
        folder / "photos.npz",
        off=np.cumsum([0, *map(len, content)]),
        boxes=np.array([dog, dog, plane, hard, dog], np.float32),
        nbox=np.array([1, 3, 1]),
        split=np.array([0, 1, 1], np.int8),
        mask=np.array([0, 0, 2], np.int8),
        names=np.array(["a", "b", "c"]),
    )
    (photo,) = detection_accuracy.held_out(tmp_path)
    assert (photo.found.path, photo.found.content) == ("b", content[1])
    assert photo.in_pixels(10, 20) == [
        TrueBox(0, 0, 10, 10, "dog"),
        TrueBox(10, 0, 20, 10, "person", may_be_missed=True),
    ]


def test_the_tables() -> None:
    right = np.ones((10, 1), bool)
    one = Matches(np.array([0.4]), right, ~right, 1)
    found = DetectionEvaluation({"all": {"cat": rankings([one]), "dog": rankings([])}}, 1, 0, {})
    assert list(detection_accuracy.averages("256", found)) == [
        ("256", "AP50, area", "1.000", "-", "**1.000**"),
        ("256", "AP50", "1.000", "-", "**1.000**"),
        ("256", "AP", "1.000", "-", "**1.000**"),
    ]
    assert list(detection_accuracy.counted("256", found))[1:] == [
        ("256", "0.35", "1.000, 1.000", "-, -", "1.000, 1.000"),
        ("256", "0.5", "-, 0.000", "-, -", "-, 0.000"),
    ]
    lines = detection_accuracy.block({(256, "float32"): found, (256, "int8"): found}).splitlines()
    assert lines[0] == "| size | average precision | cat (1) | dog (0) | mean (1) |"
    assert all(line.count("|") in (0, 6) for line in lines)
    assert lines[5].startswith("| 256, int8 | AP50, area | 1.000 ")


def test_without_the_photos_it_says_what_is_absent(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"photos\.npz"):
        list(detection_accuracy.held_out(tmp_path))
