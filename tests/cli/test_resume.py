"""`sqznet classify -o FILE` that is stopped halfway, and --resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet.cli import output
from sqznet.cli.columns import RowEach
from sqznet.cli.forms import Labels
from sqznet.cli.records import ParquetWriter

from ..support.answer_files import FORMATS, Classify, make_folder, need, paths, rows
from ..support.isolated import hear_ctrl_c
from ..support.places import COFFEE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.mark.parametrize("format_name", FORMATS)
def test_resume_does_only_what_is_missing(
    folder: Path,
    tmp_path: Path,
    format_name: str,
    monkeypatch: pytest.MonkeyPatch,
    classify: Classify,
) -> None:
    need(format_name)
    whole, target = tmp_path / f"whole.{format_name}", tmp_path / f"out.{format_name}"
    assert classify(folder, "--top", "2", "-o", whole) == 0
    assert classify(folder / "0.png", folder / "1.png", "--top", "2", "-o", target) == 0
    decoded: list[str] = []
    decode = sqznet.Model.decode
    monkeypatch.setattr(
        sqznet.Model,
        "decode",
        lambda self, source, fast: decoded.append(source) or decode(self, source, fast),
    )
    for _ in range(2):  # the second time, nothing is left to do
        assert classify(folder, "--top", "2", "-o", target, "--resume") == 0
        assert rows(target) == rows(whole)
        assert len(decoded) == 3
    if format_name != "parquet":
        assert target.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("format_name", FORMATS)
def test_resume_starts_without_a_file(
    folder: Path, tmp_path: Path, format_name: str, classify: Classify
) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    assert classify(folder, "-o", target, "--resume") == 0
    assert len(paths(target)) == 5


@pytest.mark.parametrize("format_name", ["csv", "json", "jsonl"])
def test_resume_continues_the_part_file_of_a_killed_run(
    folder: Path, tmp_path: Path, format_name: str, classify: Classify, small: Path
) -> None:
    target = tmp_path / f"out.{format_name}"
    model = sqznet.load(small)
    killed = output.ResultFile(str(target), format_name, False, model.fingerprint, Labels())
    result = next(iter(model.classify_files(folder)))
    killed.write(result.path, result.predictions)
    killed._file.close()  # as if the power failed
    assert not target.exists()
    assert classify(folder, "-o", target, "--resume") == 0
    assert len(set(paths(target))) == len(paths(target)) == 5
    assert sorted(os.listdir(tmp_path)) == [target.name, "photos"]


def spoiled() -> list[tuple[str, bytes]]:
    line = b'{"path": "a.jpg", "model": "x", "predictions": []}\n'
    return [
        ("csv", b""),
        ("csv", b"path,label\na.jpg,cup\n"),
        ("csv", ",".join(RowEach.names).encode() + b"\na.jpg,1,cup\n"),
        ("csv", ",".join(RowEach.names).encode() + b"\na.jpg,1,cup,0.5,9"),
        ("csv", b"path,rank\xff\n"),
        ("csv", line),
        ("json", line),
        ("json", b""),
        ("json", b"[\n1\n]\n"),
        ("jsonl", b"path,rank,label,score,index\n"),
        ("jsonl", line[:-1]),
        ("jsonl", b"\xff\n"),
        ("jsonl", b"[" * 100_000 + b"\n"),
        ("parquet", b"PAR1"),
        ("parquet", line),
    ]


@pytest.mark.parametrize(("format_name", "content"), spoiled())
def test_resume_refuses_another_kind_of_file(
    tmp_path: Path,
    format_name: str,
    content: bytes,
    capsys: pytest.CaptureFixture[str],
    classify: Classify,
) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    target.write_bytes(content)
    assert classify(COFFEE, "-o", target, "--resume") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"sqznet: {target}: cannot continue this file: found ")
    assert err.count("\n") == 1
    assert target.read_bytes() == content
    assert os.listdir(tmp_path) == [target.name]


def test_resume_refuses_other_columns_in_parquet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], classify: Classify
) -> None:
    pa = pytest.importorskip("pyarrow")
    target = tmp_path / "out.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"path": ["a.jpg"]}), target)
    assert classify(COFFEE, "-o", target, "--resume") == 1
    assert "found the columns path, expected path, rank" in capsys.readouterr().err


def test_many_groups_of_rows(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classify: Classify
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(ParquetWriter, "GROUP", 2)
    assert classify(folder, "--top", "1", "-o", tmp_path / "out.parquet") == 0
    assert len(paths(tmp_path / "out.parquet")) == 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("threads", ["1", "2"])
def test_ctrl_c_leaves_a_valid_file_to_continue(
    folder: Path, tmp_path: Path, format_name: str, threads: str, classify: Classify, small: Path
) -> None:
    need(format_name)
    if format_name != "csv" and threads == "1":
        pytest.skip("one format is enough for this")
    target, pipe = tmp_path / f"out.{format_name}", tmp_path / "pipe"
    os.mkfifo(pipe)
    # Enough photos for some answers while a thread waits for the pipe.
    many = [folder / f"{i % 4}.png" for i in range(12)]
    command = [sys.executable, "-m", "sqznet", "classify", *many, pipe, COFFEE]
    running = subprocess.Popen(
        [*command, "--top", "1", "--model", small, "--threads", threads, "-o", target],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    writer = os.open(pipe, os.O_WRONLY)  # blocks until it is opened for reading
    part = tmp_path / f"{target.name}.part"
    if format_name != "parquet":
        wait_until(lambda: part.read_bytes().count(b".png") == 12)
    running.send_signal(signal.SIGINT)
    time.sleep(0.05)
    os.close(writer)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert err == (
        f"sqznet: {target}: interrupted: {part} holds the photos done so far; --resume continues\n"
    )
    assert not target.exists()
    pipe.unlink()
    assert classify(*many, COFFEE, "--top", "1", "-o", target, "--resume") == 0
    assert paths(target) == [str(path) for path in [*many, COFFEE]]


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit for the size of files")
@pytest.mark.parametrize("format_name", FORMATS)
def test_a_disk_that_fills_up(
    folder: Path, tmp_path: Path, format_name: str, classify: Classify, small: Path
) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    target.write_bytes(b"what was there")
    limited = (
        "import resource, sys\n"
        "from sqznet.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", limited]
    done = subprocess.run(
        [*command, "classify", folder, "--top", "3", "--model", small, "-o", target],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"sqznet: {target}: cannot be written: File too large")
    assert done.stderr.count("\n") == 1
    assert target.read_bytes() == b"what was there"
    part = tmp_path / f"{target.name}.part"
    assert part.exists() == (format_name != "parquet") == ("--resume" in done.stderr)
    if part.exists():
        target.unlink()
        assert classify(folder, "--top", "3", "-o", target, "--resume") == 0
        assert len(set(paths(target))) == len(paths(target)) == 5
