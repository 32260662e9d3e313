"""`sqznet classify` on many photos: the output in each format, and errors."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sqznet

from ..support import networks
from ..support.answer_files import FORMATS, Classify, make_folder, need, paths, rows
from ..support.commands import Result, closed_pipe, exit_code
from ..support.isolated import run_script
from ..support.places import COFFEE

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


# --- Output --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", FORMATS)
def test_each_format_holds_the_answers(
    folder: Path, tmp_path: Path, format_name: str, classify: Classify, small: Path
) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    assert classify(folder, "--top", "2", "-o", target) == 0
    expected = [
        (r.path, rank, p.label, pytest.approx(p.score, rel=1e-6), p.index)
        for r in sqznet.load(small).classify_files(folder, top=2)
        for rank, p in enumerate(r.predictions, start=1)
    ]
    assert rows(target) == expected
    assert len(expected) == 10
    assert os.listdir(tmp_path).count(f"out.{format_name}.part") == 0


def test_runs_are_the_same_with_any_number_of_threads(
    folder: Path, tmp_path: Path, classify: Classify
) -> None:
    contents = []
    for threads, batch in (("1", "1"), ("3", "1"), ("2", "3")):
        target = tmp_path / "out.csv"
        assert classify(folder, "--threads", threads, "--batch", batch, "-o", target) == 0
        contents.append(target.read_bytes())
    assert contents[0] == contents[1] == contents[2]


@pytest.mark.parametrize(("threads", "times"), [("1", 0), ("2", 1)])
def test_pillow_is_imported_while_the_weights_are_packed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, threads: str, times: int, classify: Classify
) -> None:
    prepared: list[str] = []
    monkeypatch.setattr(sqznet.images.decoding, "prepare", lambda: prepared.append("Pillow"))
    assert classify(folder, "--threads", threads) == 0
    assert len(prepared) == times


def test_a_process_imports_little_and_ends_quickly(folder: Path, small: Path) -> None:
    run_script(
        """
        import gc, sys
        from sqznet.__main__ import run
        sys.argv = ["sqznet", "classify", "-o", "out.csv", *sys.argv[1:]]
        assert run() == 0
        assert not {"zipfile", "numpy", "pyarrow"} & set(sys.modules)
        assert gc.get_freeze_count() > 0
        """,
        *("--model", str(small), str(folder)),
    )


@pytest.mark.parametrize("format_name", ["csv", "json", "jsonl"])
def test_stdout_gets_the_same_bytes_as_a_file(
    folder: Path,
    tmp_path: Path,
    format_name: str,
    capfdbinary: pytest.CaptureFixture[bytes],
    classify: Classify,
) -> None:
    target = tmp_path / "results"
    assert classify(folder, "--format", format_name, "-o", target, "-q") == 0
    assert classify(folder, "--format", format_name) == 0
    assert capfdbinary.readouterr().out == target.read_bytes()


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_photo_below_the_score_is_still_listed(
    folder: Path, tmp_path: Path, format_name: str, classify: Classify, small: Path
) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    model = sqznet.load(small)
    scores = {model.classify(path)[0].score: path for path in (COFFEE, folder / "0.png")}
    low, high = sorted(scores)
    photos = (scores[low], scores[high])
    limit = str((low + high) / 2)
    assert classify(*photos, "--top", "1", "--min-score", limit, "-o", target) == 0
    first, second = rows(target)
    assert first == (str(scores[low]), None, None, None, None)
    assert second[:2] == (str(scores[high]), 1)


def test_a_table_says_when_no_class_has_the_score(
    capsys: pytest.CaptureFixture[str], classify: Classify
) -> None:
    assert classify(COFFEE, "--min-score", "1") == 0
    assert capsys.readouterr().out == f"{COFFEE}\n  no class has this score\n"


def test_a_table_goes_into_a_text_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], classify: Classify
) -> None:
    assert classify(folder, "-o", tmp_path / "out.txt") == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'out.txt'}: ")
    assert classify(folder) == 0
    assert capsys.readouterr().out == (tmp_path / "out.txt").read_text(encoding="utf-8")


def test_a_list_on_stdin(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    classify: Classify,
) -> None:
    listed = f"{COFFEE}\n{folder}/1.png\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed)))
    assert classify(folder / "0.png", "-", "--format", "jsonl", "--top", "1") == 0
    found = [json.loads(line)["path"] for line in capsys.readouterr().out.splitlines()]
    assert found == [str(folder / "0.png"), str(COFFEE), str(folder / "1.png")]


def test_names_that_are_not_text_still_make_valid_files(tmp_path: Path, classify: Classify) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9.jpg")
    try:
        shutil.copy(COFFEE, name)
    except OSError:
        pytest.skip("this file system takes no such name")
    for format_name in ("csv", "jsonl"):
        target = tmp_path / f"out.{format_name}"
        assert classify(os.fsdecode(name), "--top", "1", "-o", target) == 0
        assert paths(target) == [f"{tmp_path}/caf\\udce9.jpg"]
        assert classify(os.fsdecode(name), "--top", "1", "-o", target, "--resume") == 0
        assert len(paths(target)) == 1


# --- Errors --------------------------------------------------------------------------------------


def test_unreadable_photos_are_reported_and_the_rest_is_classified(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], classify: Classify
) -> None:
    (folder / "2b.png").write_text("no photo")
    (tmp_path / "empty").mkdir()
    target = tmp_path / "out.csv"
    assert classify(folder, tmp_path / "empty", tmp_path / "no*.jpg", "-o", target) == 1
    err = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in err] == [
        str(folder / "2b.png"),
        str(tmp_path / "empty"),
        str(tmp_path / "no*.jpg"),
    ]
    assert len(paths(target)) == 5


def test_a_folder_says_what_it_passes_over(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], classify: Classify
) -> None:
    for name in ("a.dng", "b.dng", "out.csv", "sub/no_ending"):
        (folder / name).touch()
    assert classify(folder, "-o", folder / "out.csv") == 0
    assert capsys.readouterr().err == (
        f"sqznet: {folder}: 3 files of other kinds passed over (.dng 2, without a suffix 1)\n"
    )
    shutil.copy(COFFEE, folder / "sub" / "no_ending")
    assert classify(folder / "sub" / "no_ending", "--top", "1") == 0  # named, it is read


def test_a_video_says_how_to_watch_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], classify: Classify
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + bytes(90))
    assert classify(tmp_path / "clip.mp4") == 1
    assert "`sqznet watch`" in capsys.readouterr().err


def test_without_photos_the_output_stays_unchanged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    classify: Classify,
) -> None:
    target = tmp_path / "out.csv"
    target.write_text("precious")
    (tmp_path / "empty").mkdir()
    assert classify(tmp_path / "empty", "-o", target) == 1
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    assert classify("-", "-o", target) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert target.read_text() == "precious"


def test_the_output_may_be_in_the_folder_of_photos(folder: Path, classify: Classify) -> None:
    target = folder / "out.csv"
    for _ in range(2):
        assert classify(f"{folder}/*", "-o", target) == 0
        assert len(paths(target)) == 5


@pytest.mark.parametrize(
    "args",
    [
        ("-o", "out.docx"),
        ("-o", "out"),
        ("-o", "out.jpg", "--format", "csv"),
        ("-o", "out.txt", "--resume"),
        ("--resume",),
        ("--format", "xml"),
        ("--min-score", "50"),
        ("--min-score", "nan"),
        ("--batch", "0"),
    ],
)
def test_wrong_usage(
    args: tuple[str, ...], capsys: pytest.CaptureFixture[str], classify: Classify
) -> None:
    assert classify(COFFEE, *args) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_parquet_needs_a_file(capsys: pytest.CaptureFixture[str], classify: Classify) -> None:
    assert classify(COFFEE, "--format", "parquet") == 2
    assert "name a file with -o" in capsys.readouterr().err


def test_without_pyarrow_there_is_a_hint(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    classify: Classify,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert classify(COFFEE, "-o", tmp_path / "out.parquet") == 1
    assert "pip install pyarrow" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("place", ["no/such/folder/out.csv", "folder.csv"])
def test_a_place_that_cannot_be_written(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str], classify: Classify
) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert classify(COFFEE, "-o", tmp_path / place) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"sqznet: {tmp_path / place}: cannot be written: ")
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == ["folder.csv"]


@pytest.mark.parametrize("format_name", ["csv", "json", "jsonl"])
def test_a_closed_pipe_is_not_an_error(tmp_path: Path, small: Path, format_name: str) -> None:
    command = [sys.executable, "-m", "sqznet", "classify", COFFEE, COFFEE]
    options = ["--model", small, "--format", format_name]
    assert closed_pipe(*command, *options, cwd=tmp_path) == (141, b"")


# --- Heads that softmax does not fit -------------------------------------------------------------


@pytest.fixture
def regression(tmp_path: Path) -> Path:
    """Weights with one output, -1.25 for every photo, without a ReLU."""
    made = networks.tensors(classes=1)
    made["classifier.1.weight"][:] = 0
    made["classifier.1.bias"][:] = -1.25
    stated = {"labels": '["age"]', "wiring": '{"conv10_relu":false}'}
    return networks.save(tmp_path / "age.safetensors", made, stated)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_value_is_written_as_it_is(tmp_path: Path, regression: Path, format_name: str) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    assert exit_code("classify", COFFEE, "--model", regression, "-o", target) == 0
    assert rows(target) == [(str(COFFEE), 1, "age", -1.25, 0)]


def test_a_value_is_not_shown_in_percent(run: Run, regression: Path) -> None:
    assert run("classify", COFFEE, "--model", regression).out.splitlines()[1].split() == [
        "1",
        "age",
        "-1.25",
    ]
    shown = run("classify", COFFEE, "--model", regression, "--activation", "sigmoid").out
    assert shown.splitlines()[1].split() == ["1", "age", "22.27", "%"]
    shown = run("classify", COFFEE, "--model", regression, "--conv10-relu", "yes").out
    assert shown.splitlines()[1].split() == ["1", "age", "0"]


def test_the_least_value(run: Run, regression: Path) -> None:
    def shown(least: str, *options: str) -> Any:
        return run("classify", COFFEE, "--model", regression, f"--min-score={least}", *options)

    assert "age" in shown("-2").out
    assert "no class has this score" in shown("-1").out
    refused = shown("-2", "--activation", "sigmoid")
    assert refused.code == 2
    assert refused.err == "sqznet: --min-score is -2, expected a score from 0 to 1\n"


def test_the_network_to_take_from_a_file(tmp_path: Path, run: Run) -> None:
    made = {
        f"{prefix}.{name}": array
        for prefix, seed in (("a", 0), ("b", 1))
        for name, array in networks.tensors(seed=seed).items()
    }
    path = networks.save(tmp_path / "two.safetensors", made)
    refused = run("classify", COFFEE, "--model", path)
    assert refused.code == 1
    assert "holds 2 networks, at 'a', 'b'; name the one to take with prefix=" in refused.err
    assert run("classify", COFFEE, "--model", path, "--prefix", "b").code == 0
