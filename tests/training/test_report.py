"""The report at the end of a training: its figures, its page, its pictures."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from sqznet.errors import SqznetError
from sqznet.insight.evaluation import OTHER
from sqznet.training import curves, figures, report

NAMES = ("cat", "dog", "fox & hound")
# Of four photos the second is wrong, and the last is the least sure of those that are right.
SCORES = np.array([[0.9, 0.1, 0], [0.3, 0.1, 0.6], [0, 0, 1], [0.3, 0.4, 0.3]], np.float32)
LABELS = np.array([0, 1, 2, 1])
HISTORY = [
    {"epoch": 1, "loss": 2.0, "accuracy": 0.25, "rate": 1.0, "seconds": 3.0, "score": 0.2},
    {"epoch": 2, "loss": float("nan"), "accuracy": 0.75, "rate": 0.5, "seconds": 6.0, "score": 0.7},
]

Numbers = npt.NDArray[Any]


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.new("RGB", (40, 30), (60 * number, 200, 50)).save(path)
    return list(map(str, paths))


def written(folder: Path, photos: Sequence[str], **about: str) -> tuple[str, dict[str, Any]]:
    """The page and the figures of a report on these photos."""
    path = report.write_report(folder, HISTORY, SCORES, LABELS, NAMES, photos, about)
    assert path == str(folder / "index.html")
    record: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return Path(path).read_text(encoding="utf-8"), record


class Page(HTMLParser):
    """Reads a page: its pictures, its text, and the tags that are not closed."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            found = dict(attrs)
            assert found["alt"]
            self.pictures.append(str(found["src"]))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


# --- The page ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("draws_text")
def test_a_report_has_a_page_its_pictures_and_all_figures(
    tmp_path: Path, photos: list[str]
) -> None:
    content, record = written(tmp_path / "new" / "report", photos, command="sqznet train <a>")
    page = Page(content)
    assert page.open == []
    folder = tmp_path / "new" / "report"
    expected = ["calibration.png", "confusion.png", "curves.png", "hardest.jpg"]
    assert sorted(page.pictures) == expected
    assert sorted(os.listdir(folder)) == sorted([*expected, "index.html", "report.json"])
    for name in expected:
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 200
    assert "75.0 % of 4 photos correct" in page.words
    assert "fox & hound" in page.words
    assert "sqznet train <a>" in page.words
    assert record["validation"]["correct"] == 3
    assert record["history"][1]["loss"] is None
    assert record["about"] == {"command": "sqznet train <a>"}
    assert [row["answer"] for row in record["hardest"]] == ["fox & hound", "dog", "cat", NAMES[2]]


@pytest.mark.usefixtures("draws_text")
def test_the_class_that_is_recognized_worst_comes_first(tmp_path: Path, photos: list[str]) -> None:
    content, _ = written(tmp_path, photos)
    rows = re.findall(r"<td>(\w[^<]*)</td><td class=n>(\d)</td><td class=n>([^<]*)</td>", content)
    assert rows == [
        ("dog", "2", "50.0 %"),
        ("cat", "1", "100.0 %"),
        ("fox &amp; hound", "1", "100.0 %"),
    ]


@pytest.mark.usefixtures("draws_text")
def test_a_class_without_photos_has_no_recall(tmp_path: Path, photos: list[str]) -> None:
    path = report.write_report(tmp_path, [], SCORES[:2], LABELS[:2], NAMES, photos[:2])
    content = Path(path).read_text()
    assert "<td>fox &amp; hound</td><td class=n>0</td><td class=n>-</td>" in content
    assert "curves.png" not in content


@pytest.mark.usefixtures("draws_text")
def test_a_photo_that_has_gone_leaves_its_place(tmp_path: Path, photos: list[str]) -> None:
    os.remove(photos[1])
    written(tmp_path / "report", photos)
    with Image.open(tmp_path / "report" / "hardest.jpg") as sheet:
        first = np.asarray(sheet)[60:70, 60:70]
    assert np.abs(first.astype(int) - 244).max() < 5  # the empty tile


@pytest.mark.usefixtures("draws_text")
def test_without_photos_there_are_the_curves(tmp_path: Path) -> None:
    none = np.empty((0, 3), np.float32), np.empty(0, np.int64)
    path = report.write_report(tmp_path, HISTORY, *none, NAMES, [])
    assert "Trained without validation photos" in Path(path).read_text()
    assert (tmp_path / "curves.png").is_file()


@pytest.mark.usefixtures("draws_text")
def test_names_of_any_bytes_are_written(tmp_path: Path, photos: list[str]) -> None:
    names = ["\udcff", "<b>", "a\nb"]
    path = report.write_report(tmp_path, HISTORY, SCORES, LABELS, names, [*photos[:3], "\udcfe"])
    page = Page(Path(path).read_text(encoding="utf-8"))
    assert all(name in page.words for name in ("\\udcff", "<b>", "a\\nb"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, photos: list[str]) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"")
    with pytest.raises(SqznetError, match=r"file.report: the report cannot be written: "):
        report.write_report(place / "report", [], SCORES, LABELS, NAMES, photos)


# --- Figures -------------------------------------------------------------------------------------


def test_figures_of_answers() -> None:
    found = figures.measured(SCORES, LABELS, NAMES, list("abcd"))
    assert found.evaluation.counts["dog"] == {"dog": 1, "fox & hound": 1}
    assert found.log_loss == pytest.approx(-np.log([0.9, 0.1, 1, 0.4]).mean())
    assert [(hard.path, round(hard.label_score, 2)) for hard in found.hardest] == [
        ("b", 0.1),
        ("d", 0.4),
        ("a", 0.9),
        ("c", 1.0),
    ]


def test_the_interval_of_an_accuracy() -> None:
    assert figures.wilson(0, 0) == (0, 1)
    assert figures.wilson(90, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    low, high = figures.wilson(10, 10)
    assert (round(low, 4), high) == (0.7225, 1.0)


def test_the_classes_that_are_mixed_up_most_are_shown() -> None:
    names = [f"{number}" for number in range(50)]
    labels = np.arange(50)
    scores = np.eye(50, dtype=np.float32)
    scores[[3, 49]] = scores[[7, 8]]  # 3 is taken for 7, 49 for 8
    found = figures.measured(scores, labels, names, names)
    shown = figures.most_mixed_up(found.evaluation, 3)
    assert set(shown.counts) < {"3", "7", "8", "49"}
    assert shown.counts["3"] == {"7": 1, OTHER: 0}
    assert figures.most_mixed_up(found.evaluation, 50).counts == {
        label: {**counter, OTHER: 0} for label, counter in found.evaluation.counts.items()
    }


# --- Curves --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("draws_text")
def test_values_of_a_kind_share_a_chart() -> None:
    row = {"epoch": 1.0, "loss": 1.0, "rate": 1.0}
    both = curves.draw([{**row, "validation_loss": 2.0}])
    assert both.size == curves.draw([row]).size
    assert curves.draw([{**row, "accuracy": 0.5}]).height > both.height


@pytest.mark.usefixtures("draws_text")
def test_a_curve_goes_where_its_values_are() -> None:
    """Falling values lie in the upper left and the lower right of the chart."""
    falling = [{"epoch": float(n), "loss": 10.0 - n} for n in range(1, 11)]
    picture = np.asarray(curves.draw(falling)).astype(int)
    blue = (picture[..., 2] - picture[..., 0]) > 100
    rows, columns = np.nonzero(blue)
    left, right = columns < np.median(columns), columns > np.median(columns)
    assert rows[left].mean() < rows[right].mean()
