"""The benchmark of whole folders: its arithmetic, and its generated block."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import folder, machine
from benchmarks.material import ROOT

ROUNDS = [{1: 4.0, 2: 2.0}, {1: 3.0, 2: 2.0}, {1: 3.6, 2: 2.0}]


def test_the_gain_is_the_median_of_the_rounds() -> None:
    assert "do 1.80 times" in folder.gain(ROUNDS)
    assert "3 rounds, 1.50 to 2.00)" in folder.gain(ROUNDS)
    assert folder.gain(ROUNDS).endswith("1.50 by the fastest command of each")
    assert "; 2 left out" in folder.gain(ROUNDS, 2)


def test_the_block_is_a_table() -> None:
    lines = folder.block(folder.rows(ROUNDS, 9), "As seen").splitlines()
    assert lines[2] == "| --threads 1 | 3.000 | 3.600 | 2 |"
    assert lines[3] == "| --threads 2 | 2.000 | 2.000 | 4 |"
    assert max(map(len, lines)) <= 100


def test_busy_rounds_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "examples" / "coffee.jpg", tmp_path)
    others = iter([0.5, 0.0, 0.0])
    monkeypatch.setattr(machine.OthersMeter, "cores", lambda self: next(others))
    fair, left_out = folder.measure(tmp_path, rounds=2)
    assert (len(fair), left_out) == (2, 1)
    assert all(seconds > 0 for taken in fair for seconds in taken.values())
