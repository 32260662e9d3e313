"""The command `sqznet watch`: its output and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sqznet
from sqznet.cli.main import main

from ..support.commands import Run
from ..support.isolated import hear_ctrl_c
from ..support.places import EXAMPLES
from ..support.watching import encoded, write_clip

pytest.importorskip("av", reason="PyAV is not installed: pip install av")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path, [20 + 5 * i for i in range(40)], movflags="faststart")
    return path


def test_lines_for_each_new_label(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(EXAMPLES / "coffee.jpg")]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"00:00\.0   \d\d\.\d\d %  espresso\n", out)
    assert err == ""


def test_json_for_each_frame(clip: Path, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--format", "jsonl", "--every", "10", "--top", "2", "--model", str(small)]
    assert main(["watch", str(clip), *options]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["time"] for line in lines] == [0, 0.4, 0.8, 1.2]
    for line in lines:
        assert len(line["predictions"]) == 2
        assert line["label"] in [p["label"] for p in line["predictions"]] or line["score"] > 0
        assert line["latency_ms"] > 0
        assert line["dropped"] == 0
    expected = next(sqznet.watch(clip, model=sqznet.load(small)))
    assert lines[0]["label"] == expected.shown.label


def test_a_video_with_labels(clip: Path, tmp_path: Path, small: Path) -> None:
    import av

    output = tmp_path / "out.mp4"
    options = ["--fps", "10", "-o", str(output), "--model", str(small)]
    assert main(["watch", str(clip), *options]) == 0
    with av.open(str(output)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 16


def test_a_truncated_video(
    clip: Path, tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    output = tmp_path / "out.mp4"
    options = ["--format", "jsonl", "-o", str(output), "--model", str(small)]
    assert main(["watch", str(clip), *options]) == 1
    out, err = capsys.readouterr()
    assert 5 < len(out.splitlines()) < 40
    assert re.fullmatch(r"sqznet: .*clip\.mp4: (ends|damaged) after .*\n", err)
    assert output.stat().st_size > 1000  # the readable frames


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["97"], 1, "camera 97: no such device (/dev/video97)"),
        (["missing.mp4"], 1, "missing.mp4: No such file or directory"),
        (["CLIP", "-o", "out.gif"], 2, "out.gif: expected a name that ends in one of .mp4"),
        (["CLIP", "-o", "missing/out.mp4"], 1, "missing/out.mp4: No such file or directory"),
        (["CLIP", "--fps", "0"], 2, "expected a number above 0, got '0'"),
        (["CLIP", "--every", "0"], 2, "at least 1, got '0'"),
        (["CLIP", "--smoothing", "-1"], 2, "expected seconds, 0 or more, got '-1'"),
        (["CLIP", "--hysteresis", "1"], 2, "expected a number from 0 to 1, below 1, got '1'"),
        (["CLIP", "--min-score", "high"], 2, "expected a score from 0 to 1, got 'high'"),
        (["CLIP", "--min-score", "50"], 2, "--min-score is 50, expected a score from 0 to 1"),
        (["CLIP", "--rotate", "45"], 2, "--rotate: invalid choice: 45"),
        (["CLIP", "--roi", "1,2,3"], 2, "expected X,Y,WIDTH,HEIGHT, got '1,2,3'"),
        (["CLIP", "--roi", "0,0,0,9"], 2, "roi is 0,0,0,9, expected x, y, width and height, 0 or"),
        (["CLIP", "--roi", "64,0,9,9"], 1, "roi 64,0,9,9 is outside of the frame of 64 x 48 pixel"),
        (["CLIP", "-o", "a.csv", "-o", "./a.csv"], 2, "./a.csv: expected each output once"),
        (["CLIP", "-o", "missing/a.csv"], 1, "missing/a.csv: No such file or directory"),
        (["CLIP", "--model", "missing.pth"], 1, "missing.pth: "),
    ],
)
def test_errors_are_one_line(
    clip: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(clip.parent)
    found, out, err = run("watch", *(clip.name if a == "CLIP" else a for a in arguments))
    assert (found, out) == (code, "")
    assert err.count("\n") == 1
    assert err.startswith("sqznet: ")
    assert said in err
    assert [path.name for path in clip.parent.iterdir()] == [clip.name]


def test_a_folder_is_watched_until_ctrl_c(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "sqznet", "watch", str(pictures)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    assert process.stderr.readline() == f"sqznet: waiting for new images in {pictures}\n"
    Image.open(EXAMPLES / "coffee.jpg").save(tmp_path / "cup.png")
    os.replace(tmp_path / "cup.png", pictures / "cup.png")
    line = process.stdout.readline()
    assert re.fullmatch(r"\d\d:\d\d\.\d   \d\d\.\d\d %  espresso  .*cup\.png\n", line)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_video_on_standard_input(tmp_path: Path, small: Path) -> None:
    content = encoded([100] * 20, "matroska", "libx264", piped=True)
    command = [sys.executable, "-m", "sqznet", "watch", "-", "--format", "jsonl", "--model", small]
    done = subprocess.run(command, input=content, cwd=tmp_path, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line)["dropped"] for line in done.stdout.splitlines()] == [0] * 20


# --- Stopped by signals ----------------------------------------------------------------------

INT, TERM = signal.SIGINT, signal.SIGTERM


def frames_of(path: Path) -> int:
    import av

    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert all(90 < frame[:20].mean() < 110 for frame in frames)
    return len(frames)


class Stopped:
    """`sqznet watch - -o out.mp4` of an endless video, which comes as fast as it is read."""

    def __init__(self, folder: Path, weights: Path, suffix: str = ".mp4") -> None:
        self.output = folder / f"out{suffix}"
        command = [sys.executable, "-m", "sqznet", "watch", "-", "--format", "jsonl"]
        self.process = subprocess.Popen(
            [*command, "--model", weights, "-o", self.output],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=hear_ctrl_c,
        )
        self._content = encoded([100] * 100, "mpegts", "libx264", noise=5)
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def _feed(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
            while True:
                stdin.write(self._content)

    def wait_for(self, frames: int) -> None:
        assert self.process.stdout is not None
        for _ in range(frames):
            assert self.process.stdout.readline()

    def ended(self) -> tuple[int, bytes]:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        with self.process.stdout as stdout, self.process.stderr as stderr:
            stdout.read()
            self._thread.join()
            return self.process.wait(20), stderr.read()


@pytest.mark.parametrize(
    ("signals", "code"),
    [([INT], 130), ([TERM], 143), ([INT, INT, INT, TERM], 130)],
)
def test_signals_leave_a_video_that_plays(
    tmp_path: Path, small: Path, signals: list[signal.Signals], code: int
) -> None:
    watching = Stopped(tmp_path, small)
    watching.wait_for(12)
    for number in signals:
        watching.process.send_signal(number)
        time.sleep(0.002)
    found, err = watching.ended()
    assert err == b""
    # A late one may find the video complete and end the command, or the process that is leaving.
    late = {INT: (130, -INT), TERM: (143, -TERM)}
    assert found in (code, *(code for number in signals[1:] for code in late[number]))
    assert frames_of(watching.output) >= 12
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_signals_at_any_moment_leave_a_video_that_plays(
    clip: Path, tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst of them, which begins at a chosen function of writing and completing the video."""
    from sqznet.watching import annotate

    output = tmp_path / "out.mp4"
    write_clip(clip, [100] * 8)
    places = ["_write", "_new_stream", "add", "close", "_complete"]
    commands = [["watch", str(clip), "--model", str(small), "-o", str(output)]]
    for place in places:
        real = getattr(annotate.AnnotatedVideo, place)

        def burst(self: object, *arguments: object, real: Any = real) -> object:
            for number in (TERM, INT, INT):
                signal.raise_signal(number)
            result = real(self, *arguments)
            for number in (INT, TERM):
                signal.raise_signal(number)
            return result

        with monkeypatch.context() as patched:
            patched.setattr(annotate.AnnotatedVideo, place, burst)
            assert main(commands[0]) in (130, 143), place
        expected = 8 if place in ("close", "_complete") else 1
        assert frames_of(output) == expected, place
        output.unlink()
        assert os.listdir(tmp_path) == [clip.name], place
        assert signal.getsignal(INT) is signal.default_int_handler


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize(("number", "code", "frames"), [(INT, 130, 9), (TERM, 143, 0)])
def test_a_silent_pipe_can_be_left(
    tmp_path: Path, small: Path, number: signal.Signals, code: int, frames: int
) -> None:
    """FFmpeg alone would wait for its next bytes."""
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-m", "sqznet", "watch"]
    process = subprocess.Popen(
        [*command, "pipe", "--format", "jsonl", "--top", "1", "--model", small, "-o", "out.mp4"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_ctrl_c,
    )
    content = encoded([100] * 150, "mpegts", "libx264", noise=9) if frames else b""
    with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
        pipe.write(content)
        assert process.stdout is not None
        for _ in range(frames):
            assert process.stdout.readline()
        time.sleep(0.3)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, b"")
    if frames:
        assert frames_of(tmp_path / "out.mp4") >= frames
    assert sorted(os.listdir(tmp_path)) == ["out.mp4", "pipe"][0 if frames else 1 :]
