"""`sqznet classify -o FILE` that is stopped, killed in the middle of a record, run twice at a time,
or continued with another model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet.cli import output
from sqznet.cli.forms import Labels
from sqznet.cli.interrupts import heard_once, terminable
from sqznet.files.resumable import ResumableFile

from ..support import networks
from ..support.answer_files import Classify, make_folder, need, paths, rows
from ..support.isolated import hear_ctrl_c

FORMATS = ["csv", "json", "jsonl"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


# --- Stopped ---------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(
    ("format_name", "number", "code"),
    [("csv", signal.SIGTERM, 143)]  # which is heard in the same way for every format
    + [(name, signal.SIGINT, 130) for name in dict.fromkeys((*FORMATS, "parquet", "txt"))],
)
def test_an_older_result_stays_until_the_new_one_is_whole(
    folder: Path, tmp_path: Path, format_name: str, number: int, code: int, small: Path
) -> None:
    need(format_name)
    target, pipe = tmp_path / f"out.{format_name}", tmp_path / "pipe"
    target.write_bytes(b"complete and older")
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "sqznet", "classify", folder, pipe, "--threads", "1"]
    running = subprocess.Popen(
        [*command, "--model", small, "-o", target],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    writer = os.open(pipe, os.O_WRONLY)  # blocks until it is opened for reading
    running.send_signal(number)
    os.close(writer)
    _, err = running.communicate(timeout=60)
    assert running.returncode == code, err
    part = tmp_path / f"{target.name}.part"
    assert err.startswith(f"sqznet: {target}: interrupted: {part} holds the photos done so far")
    assert err.endswith("; --resume continues\n") == (format_name != "txt")
    assert err.count("\n") == 1
    assert target.read_bytes() == b"complete and older"
    if format_name != "txt":
        part.rename(target)
        assert paths(target) if format_name != "json" else target.read_bytes().startswith(b"[\n{")


@pytest.mark.parametrize("format_name", [*FORMATS, "parquet"])
def test_the_part_of_an_interrupted_run_is_continued(
    folder: Path,
    tmp_path: Path,
    format_name: str,
    small: Path,
    classify: Classify,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need(format_name)
    whole, target = tmp_path / f"whole.{format_name}", tmp_path / f"out.{format_name}"
    assert classify(folder, "-o", whole, "--threads", "1") == 0
    decode, decoded = sqznet.Model.decode, 0

    def interrupted(self: sqznet.Model, source: Any, fast: bool) -> Any:
        nonlocal decoded
        decoded += 1
        if decoded == 3:
            raise KeyboardInterrupt
        return decode(self, source, fast)

    monkeypatch.setattr(sqznet.Model, "decode", interrupted)
    target.write_bytes(b"complete and older")
    assert classify(folder, "-o", target, "--threads", "1") == 130
    assert target.read_bytes() == b"complete and older"
    assert classify(folder, "-o", target, "--resume") == 0
    assert decoded <= 7  # 2 before, 3 after; one whose rows may be incomplete, and the interrupt
    assert rows(target) == rows(whole)
    assert sorted(os.listdir(tmp_path)) == sorted(["photos", whole.name, target.name])


# --- Killed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_part_that_was_cut_anywhere_is_continued(
    folder: Path, tmp_path: Path, format_name: str, small: Path, classify: Classify
) -> None:
    whole, target = tmp_path / f"whole.{format_name}", tmp_path / f"out.{format_name}"
    assert classify(folder, "--top", "2", "-o", whole) == 0
    content, part = whole.read_bytes(), tmp_path / f"{target.name}.part"
    model = sqznet.load(small)
    results = list(model.classify_files(folder, top=2))
    for cut in {*range(0, len(content), 37), *range(len(content) - 4, len(content))}:
        part.write_bytes(content[:cut])
        file = output.ResultFile(str(target), format_name, True, model.fingerprint, Labels())
        for result in results:
            name = result.path
            if file.done[name]:
                file.done[name] -= 1
            else:
                file.write(name, result.predictions)
        file.finish()
        assert target.read_bytes() == content, cut
        target.unlink()


def test_a_killed_parquet_file_is_begun_again(
    folder: Path, tmp_path: Path, classify: Classify
) -> None:
    need("parquet")
    target = tmp_path / "out.parquet"
    assert classify(folder / "0.png", "-o", target) == 0
    (tmp_path / "out.parquet.part").write_bytes(target.read_bytes()[:100])
    assert classify(folder, "-o", target, "--resume") == 0
    assert len(paths(target)) == 5


@pytest.mark.parametrize("format_name", [*FORMATS, "parquet"])
def test_a_part_of_another_kind_is_refused_and_left_alone(
    folder: Path,
    tmp_path: Path,
    format_name: str,
    classify: Classify,
    capsys: pytest.CaptureFixture[str],
) -> None:
    need(format_name)
    part = tmp_path / f"out.{format_name}.part"
    part.write_bytes(b"something of another program\nwithout an end")
    assert classify(folder, "-o", tmp_path / f"out.{format_name}", "--resume") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"sqznet: {part}: cannot continue this file: found ")
    assert part.read_bytes() == b"something of another program\nwithout an end"
    assert sorted(os.listdir(tmp_path)) == [part.name, "photos"]


# --- Another model ---------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", [*FORMATS, "parquet"])
@pytest.mark.parametrize("suffix", ["", ".part"])
def test_another_model_does_not_continue(
    folder: Path,
    tmp_path: Path,
    format_name: str,
    suffix: str,
    classify: Classify,
    capsys: pytest.CaptureFixture[str],
) -> None:
    need(format_name)
    target = tmp_path / f"out.{format_name}"
    other = networks.save(tmp_path / "other.safetensors", networks.tensors(classes=7, seed=5))
    assert classify(folder / "0.png", folder / "1.png", "-o", target) == 0
    target.rename(f"{target}{suffix}")
    held = Path(f"{target}{suffix}").read_bytes()
    assert classify(folder, "-o", target, "--resume", "--model", other) == 1
    err = capsys.readouterr().err
    assert "cannot continue this file: the model 'squeezenet1_1-" in err
    assert err.count("squeezenet1_") == 2
    assert err.count("\n") == 1
    assert Path(f"{target}{suffix}").read_bytes() == held


def test_what_decides_the_answers_decides_the_fingerprint(small: Path) -> None:
    model = sqznet.load(small)
    same = sqznet.load(small, threads=1, isa="scalar")
    assert same.fingerprint == model.fingerprint == model.alone().fingerprint
    others = [
        sqznet.load(small, preprocessing="caffe"),
        sqznet.load(small, labels=[str(i) for i in range(7)]),
        sqznet.load(small, ceil_mode=False),
        sqznet.load(),
    ]
    assert len({m.fingerprint for m in [model, *others]}) == 5
    photo = networks.photo()
    one = sqznet.learn({"a": [photo]}, model=model, report=lambda _: None)
    before = one.fingerprint
    assert before.startswith("recognizer-")
    one.add("b", [photo[::-1]])
    assert one.fingerprint != before


# --- Two at once -----------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_second_writer_is_refused(
    folder: Path,
    tmp_path: Path,
    format_name: str,
    classify: Classify,
    small: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("fcntl", reason="locks are POSIX's")
    target = tmp_path / f"out.{format_name}"
    model = sqznet.load(small)
    first = output.ResultFile(str(target), format_name, False, model.fingerprint, Labels())
    (one,) = model.classify_files(folder / "0.png")
    first.write(one.path, one.predictions)
    for options in ([], ["--resume"]):
        assert classify(folder, "-o", target, *options) == 1
        assert capsys.readouterr().err == (
            f"sqznet: {target}: cannot be written: another process is writing it\n"
        )
    first.finish()
    assert paths(target) == [one.path]
    assert classify(folder, "-o", target) == 0
    assert len(paths(target)) == 5


def test_two_processes_leave_a_whole_file(folder: Path, tmp_path: Path, small: Path) -> None:
    """Whichever of them wrote it."""
    target = tmp_path / "out.csv"
    command = [sys.executable, "-m", "sqznet", "classify", "--model", small, "-o", target]
    for attempt in range(2):
        both = [
            subprocess.Popen(
                [*command, *[folder / f"{i % 4}.png" for i in range(40)], "--top", top],
                cwd=tmp_path,
                stderr=subprocess.PIPE,
                text=True,
            )
            for top in ("1", "3")
        ]
        said = [process.communicate(timeout=120)[1] for process in both]
        codes = [process.returncode for process in both]
        assert 0 in codes, said
        assert set(codes) <= {0, 1}, said
        for code, err in zip(codes, said, strict=True):
            assert (err == "") == (code == 0), err
            assert "another process is writing it" in err or code == 0
        found = rows(target)
        assert len(found) in (40, 120), attempt
        assert len(paths(target)) == 40
        assert os.listdir(tmp_path).count("out.csv.part") == 0


def test_the_holder_of_a_part_may_finish_between_two_looks(tmp_path: Path) -> None:
    """The file that was opened is then FILE itself, which must stay as it is."""
    target = tmp_path / "out"
    for _ in range(100):
        first = ResumableFile(target)
        first.file.write(b"whole")
        first.commit()
        second = ResumableFile(target)
        assert second.file.read() == b""
        second.discard()
        assert target.read_bytes() == b"whole"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_a_part_that_is_no_regular_file_is_refused(
    folder: Path, tmp_path: Path, kind: str, classify: Classify, capsys: pytest.CaptureFixture[str]
) -> None:
    part = tmp_path / "out.csv.part"
    if kind == "pipe":
        os.mkfifo(part)
    elif kind == "link":
        (tmp_path / "theirs").write_text("theirs")
        part.symlink_to(tmp_path / "theirs")
    else:
        part.mkdir()
    assert classify(folder, "-o", tmp_path / "out.csv") == 1
    assert "out.csv: cannot be written: " in capsys.readouterr().err
    assert part.exists()
    assert kind != "link" or (tmp_path / "theirs").read_text() == "theirs"


def test_what_an_interrupted_call_holds_ends_while_later_signals_are_ignored() -> None:
    handlers: list[Any] = []

    class Held:
        def __del__(self) -> None:
            handlers.append(signal.getsignal(signal.SIGINT))
            signal.raise_signal(signal.SIGINT)

    def interrupted() -> None:
        held = Held()
        signal.raise_signal(signal.SIGINT)
        del held

    with terminable():
        try:
            with heard_once():
                interrupted()
        except KeyboardInterrupt:
            assert not handlers  # its traceback still has the frame
        (handler,) = handlers
        assert handler is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
