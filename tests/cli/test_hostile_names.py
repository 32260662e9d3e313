"""Labels and file names with terminal escapes, control characters, bidi marks and line breaks: no
command prints them raw, and every format gives them back exactly."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet.answers import Predictions
from sqznet.cli import output
from sqznet.cli.forms import Labels
from sqznet.images.preprocessing import PRESETS
from sqznet.network.variants import Wiring
from sqznet.weights import metadata

from ..support import networks
from ..support.answer_files import FORMATS, need, rows
from ..support.commands import Run, exit_code
from ..support.places import CHELSEA, COFFEE
from ..support.watching import write_clip

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07",
    "two\nlines",
    "over\rwritten",
    "\u202egpj.exe\u2066",
    "\x9b31m\x85",
    '"quoted", \u2028 and\ttabs\x7f',
    "Größe 日本 😀",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with these labels."""
    pixels = PRESETS["torchvision"]._replace(size=(64, 64))
    stated = metadata.dump("squeezenet1_1", pixels, HOSTILE, Wiring())
    path = tmp_path_factory.mktemp("weights") / "hostile.safetensors"
    return networks.save(path, networks.tensors("squeezenet1_1", 7), stated)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo of each of these names, and one that cannot be read."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in HOSTILE:
        try:
            shutil.copy(COFFEE, folder / f"{name}.jpg")
        except (OSError, ValueError):
            pytest.skip("this file system takes no such names")
    (folder / f"{HOSTILE[0]}.png").write_bytes(b"no photo")
    (folder / f"{HOSTILE[1]}.\x1bx").write_bytes(b"of another kind")
    return folder


def assert_harmless(text: str) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)


@pytest.mark.parametrize("format_name", ["table", "json", "jsonl"])
def test_classify(run: Run, hostile: Path, photos: Path, format_name: str) -> None:
    code, out, err = run("classify", photos, "--model", hostile, "--format", format_name)
    assert code == 1
    assert err.count("\n") == 2  # a photo that cannot be read, and a file of another kind
    assert_harmless(out + err)
    assert "日本" in out


class Terminal(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        content: Any = self.buffer
        return str(content.getvalue().decode())


@pytest.mark.parametrize("format_name", FORMATS[:3])
def test_data_on_a_terminal(
    hostile: Path, photos: Path, format_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    options = ["--model", hostile, "--format", format_name]
    assert exit_code("classify", photos, *options) == 1
    assert_harmless(terminal.text())
    assert len(terminal.text()) > 100


def test_colors_on_a_terminal(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="needs rich")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    table = output.ColorTable(Labels())
    table.write(HOSTILE[1], Predictions(sqznet.Prediction(label, 0.5, 0) for label in HOSTILE))
    shown = terminal.text()
    assert "\\x1b[31mred" in shown
    assert not {"\x07", "\r", "\u202e", "\x9b", "\u2028"} & set(shown)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("resumed", [False, True])
def test_files_hold_names_and_labels_exactly(
    hostile: Path, photos: Path, tmp_path: Path, format_name: str, resumed: bool
) -> None:
    need(format_name)
    (photos / f"{HOSTILE[0]}.png").unlink()
    target = tmp_path / f"out.{format_name}"
    options: list[Any] = ["--model", hostile, "--top", "7", "-o", target]
    if resumed:
        assert exit_code("classify", photos / f"{HOSTILE[1]}.jpg", *options) == 0
        options.append("--resume")
    assert exit_code("classify", photos, *options) == 0
    found = rows(target)
    assert len(found) == 49
    assert {row[0] for row in found} == {str(photos / f"{name}.jpg") for name in HOSTILE}
    assert {(row[2], row[4]) for row in found} == {(label, i) for i, label in enumerate(HOSTILE)}


def test_line_breaks_in_csv_are_quoted(tmp_path: Path, hostile: Path, photos: Path) -> None:
    target = tmp_path / "out.csv"
    assert exit_code("classify", photos, "--top", "7", "--model", hostile, "-o", target) == 1
    content = target.read_bytes()
    assert b'"over\rwritten"' in content
    assert b'"two\nlines"' in content
    # Outside quotes, nothing but the ends of lines breaks a line.
    outside = b"".join(content.split(b'"')[::2])
    assert b"\r" not in outside
    assert outside.count(b"\n") == 1 + 7 * 7


def test_labels_that_are_not_text(tmp_path: Path, small: Path) -> None:
    """A lone surrogate, from a JSON list of labels."""
    names = tmp_path / "names.json"
    names.write_text(json.dumps(["\ud800", *"bcdefg"]))
    for format_name in FORMATS:
        if format_name == "parquet":
            pytest.importorskip("pyarrow", reason="needs pyarrow")
        target = tmp_path / f"out.{format_name}"
        options = ["--model", small, "--labels", names, "--top", "7", "-o", target]
        assert exit_code("classify", COFFEE, *options) == 0
        assert "\\ud800" in {row[2] for row in rows(target)}


def test_vectors(run: Run, hostile: Path, photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "\x1b[31m.npz"
    code, out, err = run("embed", photos, "--model", hostile, "-o", target)
    assert code == 1
    assert_harmless(out + err)
    for place in (target, photos):
        code, out, err = run("similar", CHELSEA, place, "--model", hostile)
        assert out.count("\n") == 7
        assert_harmless(out + err)


def test_commands_on_weights(run: Run, hostile: Path, tmp_path: Path) -> None:
    named = tmp_path / f"{HOSTILE[0]}.safetensors"
    shutil.copy(hostile, named)
    for command in (
        ["identify", named], ["identify", "--json", named],
        ["convert", named, tmp_path / f"{HOSTILE[1]}.npz"],
    ):  # fmt: skip
        code, out, err = run(*command)
        assert code == 0
        assert out
        assert_harmless(out + err)
    for command in (
        ["identify", f"{HOSTILE[0]}.pth"], ["classify", f"{HOSTILE[2]}.jpg"],
        ["classify", COFFEE, "--model", f"{HOSTILE[0]}.pth"], ["classify", "--\x1b[31m"],
        ["classify", COFFEE, "--threads", "\x1b"], ["classify", COFFEE, "--isa", "\x1b[31m"],
        ["classify", COFFEE, "-o", "\x1b.jpg"], ["classify", COFFEE, "--labels", "\x1b"],
        ["classify", COFFEE, "--preprocessing", "\x1b"], ["convert", hostile, "\x1b.\x1b"],
        ["explain", COFFEE, "-o", "\x1b"], ["watch", "\x1b"], ["learn", "\x1b", "-o", "x"],
        ["evaluate", "\x1b"], ["similar", "\x1b", "\x1b"], ["embed", COFFEE, "-o", "\x1b"],
        ["\x1b"],
    ):  # fmt: skip
        code, out, err = run(*command)
        assert code != 0
        assert err
        assert_harmless(out + err)


def test_learning(run: Run, hostile: Path, tmp_path: Path) -> None:
    for name in (HOSTILE[0], HOSTILE[3]):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for i in range(2):
            shutil.copy(COFFEE, tmp_path / "classes" / name / f"{i}\x1b.jpg")
        (tmp_path / "classes" / name / "\x1b.txt").touch()
    learned = tmp_path / "own.sqz"
    code, out, err = run("learn", tmp_path / "classes", "--model", hostile, "-o", learned)
    assert (code, err.count("\n")) == (0, 2)
    assert_harmless(out + err)
    options = ["--model", learned, "--backbone", hostile]
    code, out, err = run("evaluate", tmp_path / "classes", *options)
    assert code == 0
    assert_harmless(out + err)


def test_explaining(run: Run, hostile: Path, tmp_path: Path, draws_text: None) -> None:
    drawn = tmp_path / f"{HOSTILE[0]}.jpg"  # written in less time than PNG
    for label in range(7):
        options = ["--model", hostile, "--label", str(label), "-o", drawn]
        code, out, err = run("explain", COFFEE, *options)
        assert code == 0
        assert_harmless(out + err)
    code, out, err = run("explain", COFFEE, "--model", hostile, "--label", "\x1b[", "-o", drawn)
    assert code == 2
    assert_harmless(out + err)


@pytest.mark.parametrize("format_name", ["text", "jsonl"])
def test_watching(run: Run, hostile: Path, tmp_path: Path, format_name: str) -> None:
    pytest.importorskip("av", reason="needs PyAV")
    clip = tmp_path / f"{HOSTILE[0]}.mp4"
    write_clip(clip, [20, 200, 20])
    options = ["--model", hostile, "--format", format_name, "--smoothing", "0"]
    code, out, err = run("watch", clip, *options)
    assert code == 0
    assert out
    assert_harmless(out + err)


def test_the_live_view(hostile: Path, tmp_path: Path) -> None:
    pytest.importorskip("rich", reason="needs rich")
    from rich.console import Console

    from sqznet.watching.terminal import SightingView

    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=100)
    sightings = sqznet.watch([COFFEE], model=sqznet.load(hostile, threads=1), top=7)
    with SightingView(HOSTILE[0], console) as view:
        for sighting in sightings:
            view.show(sighting)
    assert "\\x1b[31mred" in drawn.getvalue()
    assert not {"\x07", "\u202e", "\x9b", "\u2028"} & set(drawn.getvalue())
