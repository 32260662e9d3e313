"""The benchmark of training: its splits, its rows, and the plain loop that it compares with."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("torch", reason="training needs torch")

from benchmarks import plain_training, training
from benchmarks.paired import Ratio


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    for label in ("0", "1"):
        (tmp_path / label).mkdir()
        for number in range(6):
            color = (255 * int(label), 40 * number, 0)
            Image.new("RGB", (40, 30), color).save(tmp_path / label / f"{number}.png")
    return tmp_path


def test_shown_photos_are_not_asked(signs: Path) -> None:
    one, other = (training.split(signs, 4, number) for number in (0, 1))
    for label in ("0", "1"):
        assert len(one.shown[label]) == 4
        together = [*one.shown[label], *one.asked[label]]
        assert sorted(together) == sorted(map(str, (signs / label).iterdir()))
    assert one.shown != other.shown


def test_the_plain_loop_runs_for_its_epochs_or_its_time(signs: Path) -> None:
    loop, pre = training.plain_loop(training.split(signs, 4, 0).shown, 0, 0)
    assert pre.size == (224, 224)
    before = {name: value.clone() for name, value in loop.module.state_dict().items()}
    assert loop.run(2, None) == 2
    after = loop.module.state_dict()
    assert all((after[name] != value).any() for name, value in before.items())
    assert loop.run(None, 1e-3) == 1


def test_crops_lie_in_the_photo() -> None:
    boxes = [plain_training.crop(60, 40) for _ in range(200)]
    assert all(0 <= x0 < x1 <= 60 and 0 <= y0 < y1 <= 40 for x0, y0, x1, y1 in boxes)
    assert len(set(boxes)) > 100
    assert all(plain_training.crop(1000, 1)[3] == 1 for _ in range(20))


def test_rows_and_the_block() -> None:
    quality = training.Quality(50, 0.985, 0.99, 0.9, (20, 18))
    assert quality.row() == ("50", "0.985", "0.9900 (20)", "0.9000 (18)")
    speed = training.Speed("signs", 40.0, 25.0, 2, Ratio(1.6, 1.5, 1.7))
    assert speed.row() == ("signs", "40.0", "25.0 (2 workers)", "1.60 (1.50 to 1.70)")
    text = training.block([([training.QUALITY_HEAD, quality.row()], "A note.")])
    assert "| 50 | 0.985 | 0.9900 (20) | 0.9000 (18) |\n\nA note." in text
