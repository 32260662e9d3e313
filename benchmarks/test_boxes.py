"""The comparison of heat maps' boxes with true ones: its arithmetic, on made-up heat."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import boxes
from benchmarks.material import ROOT


def test_agreement_of_two_boxes() -> None:
    assert boxes.iou((0, 0, 1, 1), (0, 0, 1, 1)) == 1
    assert boxes.iou((0, 0, 0.5, 1), (0.5, 0, 1, 1)) == 0
    assert boxes.iou((0, 0, 0.5, 1), (0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)


def test_otsu_separates_two_groups() -> None:
    heat = np.array([0.1, 0.12, 0.14, 0.7, 0.72, 0.74], np.float32)
    assert 0.14 <= boxes.otsu(heat) <= 0.7
    assert boxes.otsu(np.full(9, 0.5, np.float32)) <= 1


def test_each_size_counts_alike() -> None:
    found = [(0, 0.2, 0.1), *[(2, 0.8, 0.9)] * 7, (1, 0.5, 0.4)]
    figures = boxes.figures(found)
    assert figures.sizes == pytest.approx((0.2, 0.5, 0.8))
    assert figures.balanced == pytest.approx(0.5)


def test_the_block_has_its_place() -> None:
    text = boxes.PAGE.read_text(encoding="utf-8")
    assert text.count(boxes.BEGIN) == text.count(boxes.END) == 1
    lines = boxes.block([["heat", "mean"], ["at least 0.1", "0.5"]], "As seen").splitlines()
    assert lines == ["| heat | mean |", "|---|--:|", "| at least 0.1 | 0.5 |", "", "As seen"]


def test_missing_photos_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert boxes.main(["--photos", str(ROOT / "examples")]) == 1
    assert "no boxed photos" in capsys.readouterr().out
