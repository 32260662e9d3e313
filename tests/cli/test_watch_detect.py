"""The command `sqznet watch --detect`: boxes, records, events, photos and clips."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import signal
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet.cli import scenes as telling
from sqznet.cli.main import main
from sqznet.cli.scenes import COLUMNS, Scenes

from ..support.commands import Run
from ..support.places import CHELSEA
from ..support.watching import Bytes, Colors, painted
from .test_watch_outputs import Terminal


@pytest.fixture(autouse=True)
def colors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds colored things."""
    monkeypatch.setattr(sqznet, "load_detector", lambda *_, **__: Colors())


def crossing(frames: int = 30) -> list[Bytes]:
    """Somebody goes from the left to the right, then there is nothing."""
    seen = [painted(("person", 10 + 4 * n, 40, 30 + 4 * n, 100)) for n in range(frames)]
    return seen + [painted()] * 20


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    av = pytest.importorskip("av", reason="PyAV is not installed: pip install sqznet[video]")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for picture in crossing():
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def scenes(frames: list[Bytes] | None = None, **options: Any) -> list[sqznet.Scene]:
    options = {"detector": Colors(), "rate": 10, **options}
    return list(sqznet.watch_objects(crossing() if frames is None else frames, **options))


def names(folder: Path) -> list[str]:
    """The names in a folder, without date and time."""
    found = sorted(os.listdir(folder))
    pattern = r"\d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d \d+\.\d s (.*)"
    return [re.fullmatch(pattern, name).group(1) for name in found]  # type: ignore[union-attr]


# --- Text and records ------------------------------------------------------------------------


def test_a_line_for_each_event(clip: Path, run: Run) -> None:
    zones = ("--zone", "gate=80,0,80,120", "--zone", "lawn=0.5,0.5,1,0.5,1,1,0.5,1")
    assert run("watch", clip, "--detect", *zones) == (
        0,
        "00:00.2  person 1 appears\n"
        "00:01.5  person 1 enters lawn\n"
        "00:01.6  person 1 crosses gate, right\n"
        "00:04.4  person 1 exits lawn\n"
        "00:04.4  person 1 leaves\n",
        "",
    )


def test_an_object_for_each_frame(clip: Path, run: Run) -> None:
    code, out, err = run("watch", clip, "--detect", "--format", "jsonl")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == 50
    assert lines[0] == {
        "time": 0.0,
        "latency_ms": lines[0]["latency_ms"],
        "dropped": 0,
        "objects": [],
        "events": [],
    }
    (thing,) = lines[2]["objects"]
    box = thing["box"]
    assert thing == {"label": "person", "number": 1, "score": 0.9, "index": 0, "box": box}
    assert box == pytest.approx([18, 40, 38, 100], abs=1)
    assert lines[2]["events"] == [{"event": "appears", **thing}]
    assert lines[40]["objects"] == []


def test_a_row_for_each_thing_in_a_frame(clip: Path, run: Run) -> None:
    code, out, _ = run("watch", clip, "--detect", "--format", "csv", "--every", "2")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert tuple(rows[0]) == COLUMNS
    assert [row["time"] for row in rows[:3]] == ["0.4", "0.6", "0.8"]
    assert {(row["label"], row["number"], row["score"]) for row in rows} == {("person", "1", "0.9")}


def test_hostile_labels_are_escaped() -> None:
    class Hostile(Colors):
        labels = ("per\x1b[2Json", "dog", "cat")

        def detect(self, picture: Any, threshold: Any) -> Any:
            found = super().detect(picture, {**threshold, "person": 0.0})
            return [one._replace(label=self.labels[one.index]) for one in found]

    told = Scenes([])
    for scene in scenes(detector=Hostile()):
        assert all(line.isprintable() for line in told.records(scene, "csv"))
        assert all(line.isprintable() for line in told.records(scene, "jsonl"))
    (scene, *_) = (scene for scene in scenes(detector=Hostile()) if scene.events)
    assert "\x1b" in next(iter(told.lines(scene)))  # escaped where it is printed
    (row,) = csv.reader(told.records(scene, "csv"))
    assert row[1] == r"per\x1b[2Json"


def test_files(clip: Path, tmp_path: Path, run: Run) -> None:
    import av

    video, rows, objects, events = (
        tmp_path / name for name in ("seen.mp4", "seen.csv", "seen.jsonl", "events.jsonl")
    )
    files = ("-o", video, "-o", rows, "-o", objects, "--events", events)
    code, out, err = run("watch", clip, "--detect", "--zone", "gate=.5,0,.5,1", *files)
    assert (code, err) == (0, "")
    assert out.count("\n") == 3  # text
    assert len(rows.read_text().splitlines()) == 29
    assert len(objects.read_text().splitlines()) == 50
    happened = [json.loads(line) for line in events.read_text().splitlines()]
    assert [one["event"] for one in happened] == ["appears", "crosses", "leaves"]
    thing = {"label": "person", "number": 1, "score": 0.9, "index": 0, "box": happened[1]["box"]}
    where = {"zone": "gate", "direction": "right"}
    assert happened[1] == {"time": 1.6, "event": "crosses", **where, **thing}
    assert "zone" not in happened[0]
    with av.open(str(video)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 50
    plain = np.asarray(painted(("person", 90, 40, 110, 100)), np.int16)
    assert (abs(shown[20] - plain).max(axis=2) > 25)[40:100, 88:92].mean() > 0.2  # the box
    assert (shown[45].min(axis=2) > 150)[:, 78:82].mean() > 0.2  # the line
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in (clip, video, rows, objects, events)
    )


# --- Photos and clips ------------------------------------------------------------------------


def test_photos(clip: Path, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "kept" / "here"
    assert run("watch", clip, "--detect", "--save", folder).code == 0
    assert names(folder) == ["person 1 appears.jpg"]
    with Image.open(folder / os.listdir(folder)[0]) as photo:
        assert photo.size == (160, 120)
        difference = abs(np.asarray(photo, np.int16) - crossing()[2])
    assert 1 < difference.mean() < 20  # a box is drawn
    zones = ("--zone", "a/b=.5,0,.5,1", "--zone", "lawn=.5,.5,1,.5,1,1")
    assert run("watch", clip, "--detect", "--save", tmp_path / "other", *zones).code == 0
    kept = names(tmp_path / "other")
    assert kept == ["person 1 crosses a_b, right.jpg", "person 1 enters lawn.jpg"]


def test_a_photo_replaces_none(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqznet.cli import keeping

    class Now:
        @staticmethod
        def now() -> datetime:
            return datetime(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(keeping, "datetime", Now)
    for _ in range(3):
        assert main(["watch", str(clip), "--detect", "--save", str(tmp_path / "kept")]) == 0
    kept = sorted(os.listdir(tmp_path / "kept"))
    event = "2026-01-02 03.04.05 0.2 s person 1 appears"
    assert kept == [f"{event} (2).jpg", f"{event} (3).jpg", f"{event}.jpg"]


def test_clips(clip: Path, tmp_path: Path, run: Run) -> None:
    import av

    options = ("--zone", "gate=.5,0,.5,1", "--save", tmp_path / "kept", "--clip", "1")
    assert run("watch", clip, "--detect", *options).code == 0
    (path,) = (tmp_path / "kept").iterdir()
    assert names(tmp_path / "kept") == ["person 1 crosses gate, right.mp4"]
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 21


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_whole_files(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    import av

    real, made = telling.Scenes.picture, itertools.count(1)

    def stopped(self: Any, scene: Any) -> Any:
        if next(made) == 40:  # two for each frame
            signal.raise_signal(number)
        return real(self, scene)

    monkeypatch.setattr(telling.Scenes, "picture", stopped)
    options = ["--zone", "gate=.5,0,.5,1", "--save", str(tmp_path / "kept"), "--clip", "9"]
    options += ["-o", str(tmp_path / "seen.mp4"), "--events", str(tmp_path / "e.jsonl")]
    assert main(["watch", str(clip), "--detect", *options]) == code
    assert len((tmp_path / "e.jsonl").read_text().splitlines()) == 2
    (kept,) = (tmp_path / "kept").iterdir()
    for path in (kept, tmp_path / "seen.mp4"):
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 20
    assert sorted(os.listdir(tmp_path)) == ["clip.mp4", "e.jsonl", "kept", "seen.mp4"]


# --- The live view ---------------------------------------------------------------------------


def view_of(terminal: Any, width: int, name: str = "door") -> Any:
    rich = pytest.importorskip("rich.console", reason="rich is not installed")
    from sqznet.watching.terminal_scene import SceneView

    return SceneView(name, rich.Console(file=terminal, force_terminal=True, height=40, width=width))


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("pictured", [160, 90, 640])
def test_every_width_shows_each_line_whole(width: int, pictured: int) -> None:
    terminal = Terminal(width)
    frames = [
        painted(("person", 0, 40, 30, 100), ("dog", 40, 80, 90, 110), width=pictured)
        for _ in range(5)
    ]
    with view_of(terminal, width) as view:
        for scene in scenes(frames, zones={"yard": [(0, 0), (1, 0), (1, 1)]}):
            view.show(scene)
    lines = [line for line in terminal.rows if line]
    assert all(line[0] in "╭│╰" and line[-1] in "╮│╯" for line in lines)
    assert {len(line) for line in lines} == {min(84, width)}
    assert ("1 x dog, 1 x person" in terminal.text) == (width >= 40)
    assert ("┌" in terminal.text) == (width >= 40)  # the map
    assert "0.2 s" in terminal.text
    assert "frames/s" in lines[-2]


def test_the_map_has_boxes_in_place() -> None:
    terminal = Terminal(80)
    frames = [painted(("person", 80, 60, 160, 120))] * 5
    with view_of(terminal, 80, "rtsp://me:secret@door\x1b[2J") as view:
        for scene in scenes(frames):
            view.show(scene)
    rows = terminal.rows
    assert rows[0].startswith(r"╭─ rtsp://door\x1b[2J ─")
    top = next(row for row in rows if "╭person 1" in row)
    bottom = next(row for row in rows if "╰──────" in row)
    assert top.index("╭person 1") == bottom.index("╰──────") == 2 + 37 // 2
    assert rows.index(top) == 3 + 14 // 2
    assert rows.index(bottom) == 3 + 13
    assert re.search(r"person 1 +90 %    0.4 s │$", rows[3])
    assert "0.2 s  person 1 appears" in terminal.text


@pytest.mark.parametrize("label", ["人とロバ", "🐱", "e\u0301te\u0301"])
@pytest.mark.parametrize("width", [40, 80])
def test_names_of_wide_characters(label: str, width: int) -> None:
    cells = pytest.importorskip("rich.cells", reason="rich is not installed")
    terminal = Terminal(width)
    frames = [painted(("person", 20, 10, 150, 110), ("dog", 30, 5, 140, 100))] * 5
    *_, scene = scenes(frames)
    tracks = [  # the box of one covers a part of the other's name
        replace(track, detection=track.detection._replace(label=label)) for track in scene.tracks
    ]
    assert len(tracks) == 2
    with view_of(terminal, width) as view:
        view.show(sqznet.Scene(0.4, tracks, [], 0.0, 0, scene.picture))
    rows = [row for row in terminal.rows if row]
    assert {cells.cell_len(row) for row in rows} == {min(84, width)}
    assert f"{label} 1" in terminal.text
    assert "?" not in terminal.text


def test_more_things_than_lines() -> None:
    terminal = Terminal(80)
    (scene, *_) = (s for s in scenes() if s.seen)
    many = [sqznet.Track(n, *list(vars(scene.seen[0]).values())[1:]) for n in range(1, 40)]
    with view_of(terminal, 80) as view:
        view.show(sqznet.Scene(0.0, many, [], 0.0, 0, scene.picture))
    assert "and 26 more" in terminal.text
    assert terminal.text.count("person 13 ") == 1


# --- What is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--zone", "gate=0,0,0,1"], 2, "--zone needs --detect"),
        (["--events", "a.jsonl"], 2, "--events needs --detect"),
        (["--detect", "--min-score", ".5"], 2, "--min-score is for labels, not for --detect"),
        (["--detect", "--top", "3"], 2, "--top is for labels, not for --detect"),
        (["--detect", "--clip", "3"], 2, "--clip needs --save, the folder for the clips"),
        (["--detect", "--save", "kept", "--clip", "0"], 2, "expected a number above 0, got '0'"),
        (["--detect", "--zone", "0,0,0,1"], 2, "expected NAME=X,Y,X,Y and more points, got"),
        (["--detect", "--zone", "gate=0,0,1"], 2, "expected NAME=X,Y,X,Y and more points, got"),
        (["--detect", "--zone", "a\x1b=0,0,0,1"], 2, r"a zone is named 'a\x1b', expected no contr"),
        (["--detect", "--zone", "a=0,0,1,1,1,0,0,1"], 2, "zone a: its edges 0,0 to 1,1 and 1,0"),
        (["--detect", *2 * ["--zone", "a=0,0,0,1"]], 2, "zone a is there twice, expected each"),
        (["--detect", "--zone", "a=0,500,9,500"], 1, "zone a: 0,500 is outside of the picture of"),
        (["--detect", "--only", "bird"], 1, "only has the label 'bird', expected one of person, d"),
        (["--detect", "--threshold", "7"], 2, "threshold is 7.0, expected a number from 0 to 1"),
        (["--detect", "--events", "no/a.jsonl"], 1, "no/a.jsonl: No such file or directory"),
        (["--detect", "--events", "a.csv", "-o", "a.csv"], 2, "a.csv: expected each output once"),
        (["--detect", "--save", "clip.mp4"], 1, "clip.mp4: File exists"),
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
    found, out, err = run("watch", clip.name, *arguments)
    assert (found, out) == (code, "")
    assert err.count("\n") == 1
    assert err.startswith("sqznet: ")
    assert said in err
    assert err[:-1].isprintable()
    assert os.listdir() == [clip.name]


def test_a_folder_cannot_be_followed(tmp_path: Path, run: Run) -> None:
    code, out, err = run("watch", tmp_path, "--detect")
    assert (code, out) == (1, "")
    assert err.startswith(f"sqznet: {tmp_path}: is a folder, whose photos have no times")
    assert err.count("\n") == 1


def test_the_bundled_detector(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.undo()
    code, out, _ = run("watch", CHELSEA, "--detect", "--confirm", "1")
    assert (code, out) == (0, "00:00.0  cat 1 appears\n")
