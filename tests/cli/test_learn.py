"""`sqznet learn`, and `classify` and `evaluate` with a recognizer."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from sqznet.cli.main import main

from ..support import networks
from ..support.commands import Run
from ..support.patterns import write_folder
from ..support.places import EXAMPLES

KINDS = ("rings", "checks", "stripes")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory, coarse: Path) -> Path:
    """A recognizer of the bundled network with few pixels, for learning and classifying alike."""
    folder = tmp_path_factory.mktemp("learned")
    shown = write_folder(folder / "shown", KINDS, 2)
    target = folder / "kinds.sqz"
    options = ["-o", str(target), "--mirror", "no", "--model", str(coarse)]
    assert main(["learn", str(shown), *options]) == 0
    return target


def test_learn_reports_what_it_wrote(tmp_path: Path, run: Run) -> None:
    shown = write_folder(tmp_path / "shown", KINDS, 2)
    target = tmp_path / "kinds.sqz"
    code, out, err = run("learn", shown, "-o", target, "--mirror", "no")
    assert (code, err) == (0, "")
    assert out == f"{target}: 6 images of checks, rings, stripes, 22 kB\n"


def test_learn_reports_what_it_left_out(tmp_path: Path, run: Run, small: Path) -> None:
    shown = write_folder(tmp_path / "shown", KINDS, 2)
    (shown / "rings" / "bad.jpg").write_bytes(b"no picture")
    code, out, err = run("learn", shown, "-o", tmp_path / "kinds.sqz", "--model", small)
    assert code == 1
    assert out.startswith(f"{tmp_path / 'kinds.sqz'}: 6 images")
    assert err.count("\n") == 1
    assert "bad.jpg" in err


def test_learn_shows_its_progress(
    tmp_path: Path, run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqznet.cli import progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = write_folder(tmp_path / "shown", KINDS, 2)
    (shown / "rings" / "bad.jpg").write_bytes(b"no picture")
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(progress, "_DELAY", 0)
    monkeypatch.setattr(progress, "_INTERVAL", 0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    args = ("learn", shown, "-o", tmp_path / "kinds.sqz", "--model", small)
    assert run(*args).code == 1
    drawn = terminal.getvalue()
    assert all(f"{number}/7 " in drawn for number in range(1, 8))
    assert "\x1b[Ksqznet: " in drawn  # the bar is removed before a line
    assert drawn.endswith("\r\x1b[K")
    terminal.truncate(0)
    assert run(*args, "-q").code == 1
    assert "/7 " not in terminal.getvalue()


def test_learn_takes_one_class_with_a_warning(tmp_path: Path, run: Run, small: Path) -> None:
    shown = write_folder(tmp_path / "shown", ("rings",), 2)
    code, out, err = run("learn", shown, "-o", tmp_path / "rings.sqz", "--model", small)
    assert code == 0
    assert "2 images of rings" in out
    assert err == "sqznet: one class alone, 'rings': it can only be told from the unknown\n"


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_learn_without_images_writes_nothing(tmp_path: Path, run: Run, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    code, out, err = run("learn", tmp_path / folder, "-o", tmp_path / "kinds.sqz")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert folder in err
    assert not (tmp_path / "kinds.sqz").exists()


def test_classify_takes_a_recognizer(learned: Path, run: Run) -> None:
    photos = [learned.parent / "shown" / "rings", EXAMPLES / "chelsea.jpg", EXAMPLES / "coffee.jpg"]
    code, out, err = run("classify", "--model", learned, *photos, "--format", "json")
    assert (code, err) == (0, "")
    firsts = [entry["predictions"][0] for entry in json.loads(out)]
    assert [first["label"] for first in firsts] == ["rings"] * 2 + ["unknown"] * 2
    assert [first["index"] for first in firsts][-1] == -1


def test_another_backbone(tmp_path: Path, run: Run) -> None:
    shown = write_folder(tmp_path / "shown", KINDS[:2], 2)
    network = networks.save(tmp_path / "net.safetensors", networks.tensors())
    assert run("learn", shown, "-o", tmp_path / "k.sqz", "--model", network).code == 0
    photo = shown / "rings" / "0.png"
    code, _, err = run("classify", "--model", tmp_path / "k.sqz", photo)
    assert code == 1
    assert "was trained on net.safetensors" in err
    code, out, _ = run("classify", "--model", tmp_path / "k.sqz", "--backbone", network, photo)
    assert code == 0
    assert "rings" in out


def test_a_recognizer_learns_on_no_other(tmp_path: Path, learned: Path, run: Run) -> None:
    code, out, err = run("learn", EXAMPLES, "-o", tmp_path / "o.sqz", "--model", learned)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "is a recognizer" in err


@pytest.mark.usefixtures("draws_text")
def test_evaluate_counts_and_draws(tmp_path: Path, learned: Path, run: Run) -> None:
    asked = write_folder(tmp_path / "asked", (*KINDS, "arrow left"), 2, first=20)
    picture = tmp_path / "confusion.png"
    code, out, err = run("evaluate", "--model", learned, asked, "-o", picture)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "6 of 6 correct: 100.0 %"
    assert lines[1] == "2 of 2 photos of other classes called unknown: 100.0 %"
    assert lines[3].split("  ")[0] == "class"
    assert lines[4].split() == ["checks", "2", "100.0", "%", "100.0", "%"]
    assert lines[-1].startswith(f"{picture}: rows are")
    with Image.open(picture) as drawn:
        assert drawn.mode == "RGB"
        assert min(drawn.size) > 300
        colors = [color for _, color in drawn.getcolors(1 << 20)]
    assert (24, 111, 101) in colors  # a class with only correct answers


def test_evaluate_refuses(tmp_path: Path, learned: Path, run: Run) -> None:
    strange = write_folder(tmp_path / "strange", ("arrow left",), 1)
    code, _, err = run("evaluate", "--model", learned, strange)
    assert code == 1
    assert "has no class with the name of a folder (arrow left" in err
    assert run("evaluate", "--model", learned, strange, "-o", "o.txt").code == 2
    assert run("evaluate", "--model", learned, tmp_path / "absent").code == 1


@pytest.mark.usefixtures("draws_text")
def test_a_confusion_matrix_that_cannot_be_written(tmp_path: Path, learned: Path, run: Run) -> None:
    known = write_folder(tmp_path / "known", ("rings",), 1)
    code, out, err = run("evaluate", "--model", learned, known, "-o", tmp_path / "no" / "o.png")
    assert code == 1
    assert out.startswith("1 of 1 correct")
    assert "cannot be written" in err
