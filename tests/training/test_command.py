"""`sqznet train`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import sqznet
from sqznet.cli import training

from ..support.commands import Result, Run
from ..support.patterns import write_folder

torch = pytest.importorskip("torch", reason="training needs torch")

KINDS = ("rings", "checks", "stripes")


@pytest.fixture
def command(tmp_path: Path, small: Path, run: Run) -> Callable[..., Result]:
    """`sqznet train` on a few photos, with a small network."""
    photos = write_folder(tmp_path / "photos", KINDS, 5)
    target = tmp_path / "kinds.safetensors"
    return partial(
        run, "train", photos, "-o", target, "--from", small, "--device", "cpu", "--epochs", "2"
    )


def test_a_folder_becomes_a_file_with_a_report(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    code, out, err = command()
    assert code == 0
    first, second, third = out.splitlines()
    target = tmp_path / "kinds.safetensors"
    assert first.startswith(f"{target}: checks, rings, stripes, 0.0 MB, 0:0")
    assert second.startswith("accuracy ")
    assert second.endswith(" on 3 photos kept apart, 12 trained")
    page = tmp_path / "kinds_report" / "index.html"
    assert third == f"report: {page}"
    assert page.is_file()
    lines = err.splitlines()
    assert [line[:22] for line in lines] == ["sqznet: epoch 1: loss ", "sqznet: epoch 2: loss "]
    assert all(", accuracy " in line for line in lines)
    assert sqznet.load(target).num_classes == 3


def test_quiet_is_quiet(command: Callable[..., Result]) -> None:
    assert command("-q") == (0, "", "")


def test_unreadable_photos_change_the_exit_code(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "photos" / "rings" / "bad.jpg").write_bytes(b"no picture")
    code, out, err = command("--report", tmp_path / "here")
    assert code == 1
    assert "bad.jpg" in err
    assert (tmp_path / "here" / "index.html").is_file()
    assert "on 3 photos kept apart" in out


def test_progress_is_drawn_on_a_terminal(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(training, "_INTERVAL", 0)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert command().code == 0
    drawn = terminal.getvalue()
    for stage in ("decoding photos", "fitting the new head", "training", "writing the result"):
        assert f"] {stage} " in drawn
    assert "\r\x1b[Ksqznet: epoch 1: loss" in drawn  # the bar is removed before a line
    assert drawn.endswith("\r\x1b[K")


def test_an_interrupted_run_can_be_resumed(
    command: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(line: str) -> None:
        if "epoch 1" in line:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "notice", interrupt)
        assert command().code == 130
    assert sqznet.load(tmp_path / "kinds.safetensors").num_classes == 3
    code, _, err = command("--resume")
    assert code == 0
    assert [line[:15] for line in err.splitlines()] == ["sqznet: epoch 2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "expected a whole number of at least 1"),
        (["--minutes", "-1"], "expected a number of minutes above 0"),
        (["--minutes", "nan"], "expected a number of minutes above 0"),
        (["--seed", "x"], "expected a whole number of at least 0"),
        (["--device", "tpu"], "invalid choice"),
    ],
)
def test_options_are_checked(
    command: Callable[..., Result], options: list[str], message: str
) -> None:
    code, _, err = command(*options)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--val", "1.5"], "val is 1.5, expected a share between 0 and 1"),
        (["--val", "missing"], "missing: No such file"),
        (["--resume"], "there is no run to resume"),
        (["--from", "missing.pth"], "missing.pth"),
    ],
)
def test_errors_are_one_line(
    command: Callable[..., Result], options: list[str], message: str
) -> None:
    code, out, err = command(*options)
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
