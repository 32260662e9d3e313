"""How the benchmark of 8-bit integers counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import quantized
from benchmarks.material import MissingError


def test_an_answer_counts_if_it_is_among_the_best() -> None:
    logits = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    classes = np.array([1, 2])
    assert quantized.top(logits, classes, 1) == 50
    assert quantized.top(logits, classes, 2) == 100


def test_a_row_compares_with_float32() -> None:
    logits = np.array([[30.0, 2, 1, 0, 0, 0], [1, 2, 30, 0, 0, 0]], np.float32)
    found = quantized.row("same", logits, logits, np.array([0, 1]))
    assert found == ("same", "50.0 / 100.0", "100.0", "0.00000 +- 0.00000")


def test_without_the_photos_it_says_what_is_absent(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"labels\.csv"):
        list(quantized.measure(tmp_path, None))
