"""The command `sqznet watch`: its output and exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import sqznet
from sqznet.cli.main import main

from ..support.commands import Run
from ..support.isolated import hear_ctrl_c
from ..support.places import EXAMPLES
from ..support.watching import flat, write_clip

pytest.importorskip("av", reason="PyAV is not installed: pip install sqznet[video]")


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
        (["CLIP", "-o", "out.gif"], 2, "out.gif: expected a name that ends in .mp4"),
        (["CLIP", "-o", "missing/out.mp4"], 1, "missing/out.mp4: No such file or directory"),
        (["CLIP", "--fps", "0"], 2, "expected a number above 0, got '0'"),
        (["CLIP", "--every", "0"], 2, "at least 1, got '0'"),
        (["CLIP", "--smoothing", "-1"], 2, "expected seconds, 0 or more, got '-1'"),
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
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "")


def test_the_live_view() -> None:
    console = pytest.importorskip("rich.console", reason="rich is not installed")
    from sqznet.watching.terminal import View

    drawn = io.StringIO()
    view = View(
        "rtsp://me:secret@door\x1b[2J", console.Console(file=drawn, force_terminal=True, width=100)
    )
    with view:
        for sighting in sqznet.watch([flat(80)] * 3, top=4):
            view.show(sighting)
        time.sleep(0.01)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.getvalue())
    assert r"─ rtsp://door\x1b[2J ─" in text
    last = text[text.rindex("╭") :]
    assert sighting.shown.label in last
    assert last.count(" %") == 5  # that of the shown label and those of four bars
    assert "32 x 24" in last
    assert "3 frames" in last
    assert "0 dropped" in last


def test_without_rich_there_are_lines(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "sqznet.watching.terminal", None)
    assert main(["watch", str(clip), "--every", "20"]) == 0
    assert capsys.readouterr().out.startswith("00:00.0")
