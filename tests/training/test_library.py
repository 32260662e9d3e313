"""Training on a computer without torch."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import sqznet
from sqznet import SqznetError

from ..support.commands import Run
from ..support.patterns import write_folder


@pytest.fixture(autouse=True)
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


def test_the_error_says_how_to_get_torch(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", ("rings", "checks"), 2)
    with pytest.raises(SqznetError, match="training needs torch: pip install torch"):
        sqznet.train(photos, tmp_path / "kinds.safetensors")
    assert os.listdir(tmp_path) == ["photos"]


def test_so_does_the_command(tmp_path: Path, run: Run) -> None:
    code, out, err = run("train", tmp_path, "-o", tmp_path / "kinds.safetensors")
    assert (code, out) == (1, "")
    assert err.startswith("sqznet: training needs torch: pip install torch")
    assert err.count("\n") == 1


def test_help_needs_no_torch(run: Run) -> None:
    code, out, _ = run("train", "--help")
    assert code == 0
    assert "--minutes" in out
