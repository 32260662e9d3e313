"""What `sqznet watch` prints and writes: labels that are sure enough, records, the live view."""

from __future__ import annotations

import csv
import errno
import io
import itertools
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import Prediction, Sighting
from sqznet.cli import outputs, sightings
from sqznet.cli.main import main
from sqznet.cli.outputs import LineFile
from sqznet.cli.sightings import COLUMNS, Sightings, record

from ..support.commands import Run
from ..support.places import CHELSEA, COFFEE
from ..support.watching import flat, write_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    pytest.importorskip("av", reason="PyAV is not installed: pip install sqznet[video]")
    path = tmp_path / "clip.mp4"
    write_clip(path, [20 + 5 * i for i in range(20)], movflags="faststart")
    return path


def seen(label: str, score: float, index: int, **changes: Any) -> Sighting:
    best = Prediction(label, score, index)
    frame = sqznet.Frame.wrap(flat(80))
    return Sighting(1.25, best, [best], 0.01, 2, frame, **{"path": None, **changes})


# --- Labels that are sure enough -----------------------------------------------------------------


def test_lines_say_when_no_label_is_sure() -> None:
    unsure = seen("cup", 0.3, 1, sure=False)
    told = Sightings()
    shown = [seen("cup", 0.9, 1), unsure, unsure, seen("cup", 0.8, 1)]
    assert [line for sighting in shown for line in told.lines(sighting)] == [
        "00:01.3   90.00 %  cup",
        "00:01.3         -  no class has this score",
        "00:01.3   80.00 %  cup",
    ]


def test_min_score(clip: Path, small: Path, run: Run) -> None:
    options = ("--format", "jsonl", "--model", small, "--every", "5")
    code, out, _ = run("watch", clip, *options, "--min-score", "1")
    assert code == 0
    for line in map(json.loads, out.splitlines()):
        assert line["label"] is line["score"] is line["index"] is None
        assert len(line["predictions"]) == 5
    code, out, _ = run("watch", clip, *options, "--min-score", "0")
    assert all(json.loads(line)["label"] for line in out.splitlines())


def test_a_label_that_is_not_sure_is_not_drawn() -> None:
    pytest.importorskip("PIL.ImageDraw")
    from sqznet.watching.annotate import annotated

    assert (np.asarray(annotated(seen("cup", 0.3, 1, sure=False))) == 80).all()
    assert (np.asarray(annotated(seen("cup", 0.3, 1))) != 80).any()


def test_hysteresis(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []

    def watch(*_: Any, **options: Any) -> Any:
        taken.append((options["hysteresis"], options["rotate"], options["roi"]))
        return (sighting for sighting in ())

    monkeypatch.setattr(sqznet, "watch", watch)
    assert run("watch", "0").code == 0
    assert run("watch", "0", "--hysteresis", "0.5", "--rotate", "90").code == 0
    assert run("watch", "0", "--roi", "0,0.5,1,0.5").code == 0
    assert taken == [(None, 0, None), (0.5, 90, None), (None, 0, (0.0, 0.5, 1.0, 0.5))]


# --- Records -------------------------------------------------------------------------------------


def test_a_row_is_csv_and_an_object_is_json() -> None:
    sighting = seen('cup, "small"', 0.123456789, 7, path="a\nb.png")
    (row,) = csv.reader([record(sighting, "csv")])
    assert row == ["1.25", 'cup, "small"', "0.123457", "7", "10.0", "2", "a\\nb.png"]
    assert json.loads(record(sighting, "jsonl")) == {
        "time": 1.25,
        "label": 'cup, "small"',
        "score": 0.123457,
        "index": 7,
        "latency_ms": 10.0,
        "dropped": 2,
        "predictions": [{"label": 'cup, "small"', "score": 0.123457, "index": 7}],
        "path": "a\nb.png",
    }
    assert record(seen("cup", 0.3, 1, sure=False), "csv") == "1.25,,,,10.0,2,"


def test_csv_on_standard_output(clip: Path, small: Path, run: Run) -> None:
    code, out, err = run("watch", clip, "--format", "csv", "--model", small, "--every", "5")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["time"] for row in rows] == ["0.0", "0.2", "0.4", "0.6"]
    assert tuple(rows[0]) == COLUMNS


def test_files_beside_a_video(clip: Path, tmp_path: Path, small: Path, run: Run) -> None:
    video, rows, objects = (tmp_path / f"seen.{ending}" for ending in ("mp4", "csv", "jsonl"))
    code, out, err = run(
        *("watch", clip, "--model", small, "-o", video, "-o", rows, "-o", objects),
    )
    assert (code, err) == (0, "")
    assert out.startswith("00:00.0")  # text
    assert video.stat().st_size > 1000
    with open(rows, newline="", encoding="utf-8") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    lines = [json.loads(line) for line in objects.read_text().splitlines()]
    assert labels == [line["label"] for line in lines]
    assert len(lines) == 20
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["clip.mp4", "seen.csv", "seen.jsonl", "seen.mp4"]


def test_the_format_of_a_file_with_another_suffix(
    clip: Path, tmp_path: Path, small: Path, run: Run
) -> None:
    log = tmp_path / "log"
    options = ("--model", small, "--every", "5")
    code, out, _ = run("watch", clip, "--format", "jsonl", "-o", log, *options)
    assert code == 0
    assert len(log.read_text().splitlines()) == 4
    assert out.startswith("00:00.0")  # the records are in the file, so this is text
    code, out, _ = run("watch", clip, "--format", "jsonl", "-o", tmp_path / "a.csv", *options)
    assert code == 0
    assert json.loads(out.splitlines()[0])["time"] == 0


def test_records_are_in_the_part_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    path.write_text("old")
    file = LineFile(str(path), ",".join(COLUMNS))
    file.write([record(seen("cup", 0.5, 1), "csv")])
    part = tmp_path / "seen.csv.part"
    assert part.read_text() == ",".join(COLUMNS) + "\n1.25,cup,0.5,1,10.0,2,\n"
    assert path.read_text() == "old"
    with pytest.raises(OSError, match="another process is writing it"):
        LineFile(str(path), "")
    file.close()
    file.close()
    assert path.read_text().endswith("cup,0.5,1,10.0,2,\n")
    assert os.listdir(tmp_path) == ["seen.csv"]


def test_a_full_disk_leaves_whole_records(
    clip: Path, tmp_path: Path, small: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """The real file, with room for a heading and a part of the next record."""

        def __init__(self, file: Any) -> None:
            self._file, self._room = file, len(",".join(COLUMNS)) + 6

        def write(self, data: memoryview) -> int:
            if not self._room:
                raise OSError(errno.ENOSPC, "No space left on device")
            taken = self._file.write(data[: self._room])
            self._room -= taken
            return int(taken)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    class Part(outputs.ResumableFile):
        def __init__(self, target: Any) -> None:
            super().__init__(target)
            self.file: Any = Full(self.file)

    monkeypatch.setattr(outputs, "ResumableFile", Part)
    path = tmp_path / "seen.csv"
    code, _, err = run("watch", clip, "--model", small, "-o", path)
    assert (code, err) == (1, f"sqznet: {path}: No space left on device\n")
    assert (tmp_path / "seen.csv.part").read_text() == ",".join(COLUMNS) + "\n"
    assert not path.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_whole_records(
    clip: Path, tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    made = itertools.count(1)

    def stopped(*arguments: Any) -> str:
        if next(made) == 3:
            signal.raise_signal(number)
        return record(*arguments)

    monkeypatch.setattr(sightings, "record", stopped)
    path = tmp_path / "seen.jsonl"
    assert main(["watch", str(clip), "--model", str(small), "-o", str(path)]) == code
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 3
    assert sorted(os.listdir(tmp_path)) == ["clip.mp4", "seen.jsonl"]


# --- The live view -------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """Understands what rich writes, and wraps its lines anew when it becomes narrower."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.rows, self.row, self.column = width, [""], 0, 0

    def write(self, text: str) -> int:
        for code, argument, letter, plain in re.findall(
            r"(\x1b)\[([0-9;?]*)([A-Za-z])|([^\x1b])", text
        ):
            if code:
                self._obey(argument, letter)
            elif plain == "\r":
                self.column = 0
            elif plain == "\n":
                self.row, self.column = self.row + 1, 0
                self.rows += [""] * (self.row + 1 - len(self.rows))
            else:
                row = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = row[: self.column] + plain + row[self.column + 1 :]
                self.column += 1
        return len(text)

    def _obey(self, argument: str, letter: str) -> None:
        if letter == "A":
            self.row -= int(argument or 1)
            assert self.row >= 0
        elif letter == "K":
            self.rows[self.row] = ""

    def resize(self, width: int) -> None:
        self.width = width
        parts = [
            [row[i : i + width] for i in range(0, max(1, len(row)), width)] for row in self.rows
        ]
        self.row = sum(map(len, parts[: self.row + 1])) - 1
        self.rows = list(itertools.chain.from_iterable(parts))

    @property
    def text(self) -> str:
        return "\n".join(self.rows)


def view_of(terminal: Any, **options: Any) -> tuple[Any, Any]:
    """A live view, and its console."""
    rich = pytest.importorskip("rich.console", reason="rich is not installed")
    from sqznet.watching.terminal import SightingView

    name = options.pop("name", "rtsp://door")
    console = rich.Console(file=terminal, force_terminal=True, height=40, **options)
    return SightingView(name, console), console


def test_the_live_view() -> None:
    drawn = io.StringIO()
    view, _ = view_of(drawn, width=100, name="rtsp://me:secret@door\x1b[2J")
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


@pytest.mark.parametrize("width", [20, 40, 60, 80, 84, 200])
def test_every_width_shows_each_line_whole(width: int) -> None:
    terminal = Terminal(width)
    view, _ = view_of(terminal, width=width)
    long = [
        Prediction("spotted salamander, Ambystoma maculatum, of the wet woods", 0.98765, 1),
        Prediction("cup", 1.0, 2),
        Prediction("\u732b" * 40, 0.00001, 3),
    ]
    sighting = seen("cup", 0.5, 2)
    with view:
        for _ in range(3):
            view.show(Sighting(**{**vars(sighting), "shown": long[0], "predictions": long}))
    lines = [line for line in terminal.rows if line]
    assert len(lines) == 3 + 2 + 4  # predictions, border, label, figures and empty lines
    assert all(line[0] in "╭│╰" and line[-1] in "╮│╯" for line in lines)
    assert {len(line) for line in lines if line.isascii() or "猫" not in line} == {min(84, width)}
    assert "98.77 %" in terminal.text  # a score is never cut
    assert "100.00 %" in terminal.text
    assert "99 %" in lines[1]
    assert "frames/s" in lines[-2]
    assert ("32 x 24" in lines[-2]) == (width >= 80)
    assert ("6 dropped" in lines[-2]) == (width >= 40)


def test_nothing_is_left_when_the_terminal_becomes_narrower_or_wider() -> None:
    terminal = Terminal(100)
    view, console = view_of(terminal, width=100)
    terminal.write("$ sqznet watch 0\n")
    with view:
        for width in (100, 60, 30, 80, 79, 100):
            terminal.resize(width)
            console.width = width
            time.sleep(0.11)  # the view is redrawn ten times a second
            view.show(seen("cup", 0.5, 2))
            text = terminal.text
            assert text.startswith("$ sqznet watch 0\n╭")
            assert text.count("╭") == text.count("╰") == text.count("dropped") == 1, text
            assert max(map(len, terminal.rows)) <= min(84, width)


def test_the_view_says_when_no_label_is_sure() -> None:
    terminal = Terminal(80)
    view, _ = view_of(terminal, width=80)
    with view:
        view.show(seen("cup", 0.3, 1, sure=False))
    assert "no class has this score" in terminal.rows[1]
    assert "cup" in terminal.text  # among the averages


def test_without_rich_there_are_lines(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "sqznet.watching.terminal", None)
    assert main(["watch", str(clip), "--every", "20"]) == 0
    assert capsys.readouterr().out.startswith("00:00.0")


def test_photos_are_watched_in_python() -> None:
    shown = [s.sure for s in sqznet.watch([CHELSEA, COFFEE], smoothing=0, min_score=0.9)]
    assert shown == [False, True]
