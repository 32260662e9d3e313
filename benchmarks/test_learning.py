"""The benchmark of learning: its arithmetic, and its generated block."""

from __future__ import annotations

import numpy as np

from benchmarks import learning


def test_auroc_counts_pairs() -> None:
    assert learning.auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert learning.auroc(np.array([0.0]), np.array([1.0])) == 0
    assert learning.auroc(np.array([1.0, 2.0]), np.array([1.0, 3.0])) == 0.375


def test_a_row_shows_the_worst_of_all_splits() -> None:
    figure = learning.Figure("accuracy", [0.5, 0.7, 0.9], 0.6)
    assert figure.row == ("accuracy", ">= 0.600", "0.700", "0.163", "0.500")
    figure = learning.Figure("time", [1.0, 3.0], form="{:.1f}", at_most=True)
    assert figure.row == ("time", "", "2.0", "1.0", "3.0")


def test_the_block_is_a_table() -> None:
    rows = [("", "wanted", "mean", "spread", "worst"), ("time", "", "2.0", "1.0", "3.0")]
    lines = learning.block(rows).splitlines()
    assert lines[2] == "| time |  | 2.0 | 1.0 | 3.0 |"
    assert max(map(len, lines)) <= 100
