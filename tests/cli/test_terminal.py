"""`sqznet classify` on a terminal: colors, bars, and progress."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from sqznet.cli import output, progress

from ..support import answer_files
from ..support.answer_files import Classify, make_folder
from ..support.places import COFFEE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain(text: str) -> str:
    """The visible text, without escapes."""
    import re

    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_only_terminals_get_colors_and_the_text_is_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich", reason="needs rich")
    assert answer_files.classify(COFFEE) == 0
    expected = capsys.readouterr().out.splitlines()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert answer_files.classify(COFFEE) == 0  # the bundled network gives it a high score
    shown = terminal.getvalue()
    assert "\x1b[" in shown
    lines = plain(shown).splitlines()
    assert [line.split("  ━")[0].rstrip() for line in lines] == expected
    assert lines[1].count("━") == output.ColorTable.BAR


def test_a_terminal_without_rich_gets_plain_text(
    monkeypatch: pytest.MonkeyPatch, classify: Classify
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert classify(COFFEE, "--top", "1") == 0
    assert "\x1b" not in terminal.getvalue()
    assert terminal.getvalue().startswith(f"{COFFEE}\n  1  ")


@pytest.mark.parametrize("rich", [True, False])
def test_long_work_shows_progress(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rich: bool, classify: Classify
) -> None:
    if rich:
        pytest.importorskip("rich", reason="needs rich")
    else:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(progress, "_DELAY", -1.0)
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    (folder / "2b.png").write_text("no photo")
    assert classify(folder, "-o", tmp_path / "out.csv") == 1
    seen = [line.split("\r")[-1] for line in plain(terminal.getvalue()).split("left")]
    assert [line.split("/6")[0].split()[-1] for line in seen[:6]] == list("123456")
    assert "/s  " in seen[0]
    complaint = next(line for line in terminal.getvalue().split("\n") if "2b.png" in line)
    assert complaint.rpartition("\r\x1b[K")[2].startswith("sqznet: ")  # on its own line
    assert terminal.getvalue().endswith("\r\x1b[K")  # the bar is removed


def test_short_work_shows_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classify: Classify
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_DELAY", 600.0)
    assert classify(folder, "-o", tmp_path / "out.csv") == 0
    assert plain(terminal.getvalue()).strip() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (3, "0:03"), (61, "1:01"), (7259, "2:00:59")]
)
def test_durations(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text
