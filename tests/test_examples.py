"""The programs in examples/, run as their docstrings say, on generated images and videos."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .support.isolated import with_weights
from .support.patterns import pictures, write_folder
from .support.places import EXAMPLES

PROGRAMS = sorted(EXAMPLES.glob("*.py"))


# Runs the program that its first argument names.
RUN = """
import runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


# A detector that sees a person as large as the picture, unless the picture is plain.
DOOR = """
import sqznet
import sqznet.detection.loading as loading

class Door:
    labels = ("person",)

    def detect(self, picture, threshold):
        if picture.to_rgb().std() < 15:
            return []
        box = sqznet.Box(0.0, 0.0, picture.width, picture.height, "person", 0.9)
        return [sqznet.Detection("person", 0.9, 0, box)]

loading.load_detector = lambda _: Door()
"""


def run(
    program: str,
    *arguments: str | Path,
    code: int = 0,
    cwd: Path,
    weights: Path | None = None,
    before: str = "",
    strict: bool = True,
) -> tuple[str, str]:
    """The output (stdout, stderr) of a program with the installed package, not the sources, after
    this script. ``strict``: its warnings are errors."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SQZNET_")}
    start = ["-c", with_weights(weights, before + RUN)] if weights else []
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error" if strict else "default",
            *start,
            str(EXAMPLES / program),
            *map(str, arguments),
        ],
        cwd=cwd,
        env=kept,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def write_video(path: Path, frames: list[Any]) -> Path:
    """A video of these images, all of one size, one per second."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=1)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def seen(out: str) -> list[str]:
    """The lines that start with a time, without it."""
    return [line.split(" s  ", 1)[1] for line in out.splitlines() if " s  " in line]


def photo(name: str) -> Any:
    with Image.open(EXAMPLES / name) as image:
        return np.asarray(image.convert("RGB").resize((320, 240)))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: str(path.name))
def test_is_short_and_documented(program: Path, tmp_path: Path) -> None:
    text = program.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert f"python examples/{program.name} " in text.split('"""')[1]
    assert "sqznet." in text
    assert "sqznet._" not in text
    out, _ = run(program.name, "--help", cwd=tmp_path)
    assert out.startswith(f"usage: {program.name}")


def test_there_are_six() -> None:
    names = {"sort_photos", "gesture_control", "doorbell", "smart_camera", "count_line"}
    names |= {"spark_classify"}
    assert {path.stem for path in PROGRAMS} == names


def test_sort_photos(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    shutil.copy(EXAMPLES / "coffee.jpg", photos / "a.jpg")
    shutil.copy(EXAMPLES / "coffee.jpg", photos / "sub" / "a.jpg")
    shutil.copy(EXAMPLES / "chelsea.jpg", photos / "b.jpg")
    Image.new("RGB", (80, 60), (90, 90, 90)).save(photos / "gray.png")
    (photos / "broken.jpg").write_bytes(b"no photo")
    target = tmp_path / "sorted"
    _, err = run("sort_photos.py", photos, target, code=1, cwd=tmp_path)
    assert "broken.jpg" in err
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert found == {"espresso/a.jpg", "espresso/a-2.jpg", "Egyptian cat/b.jpg", "unsure/gray.png"}
    assert (photos / "a.jpg").is_file()


def test_gesture_control(tmp_path: Path, coarse: Path) -> None:
    kinds = ("stripes", "checks", "rings")
    signs = write_folder(tmp_path / "signs", kinds, 2)
    frames = [shot for kind in kinds[:2] for shot in pictures(kind, 2, first=100)]
    video = write_video(tmp_path / "hand.mp4", frames)
    command = f"checks={sys.executable} -c \"open('ran', 'a').write('once')\""
    options = ("--source", video, "--do", command)
    out, _ = run("gesture_control.py", signs, *options, cwd=tmp_path, weights=coarse)
    assert seen(out) == ["stripes", "checks"]
    assert (tmp_path / "ran").read_text() == "once"
    few = write_folder(tmp_path / "few", kinds[:2], 1)
    _, err = run("gesture_control.py", few, "--do", "fist=ls", code=2, cwd=tmp_path, weights=coarse)
    assert "no photos of fist" in err


def test_doorbell(tmp_path: Path, coarse: Path) -> None:
    friends = write_folder(tmp_path / "friends", ("stripes", "checks"), 2)
    (friends / "stripes").rename(friends / "Ada")
    (friends / "checks").rename(friends / "Grace")
    frames = visits(pictures(kind, 7, first=100) for kind in ("stripes", "rings", "checks"))
    video = write_video(tmp_path / "door.mp4", frames)
    options = ("--source", video)
    out, _ = run("doorbell.py", friends, *options, cwd=tmp_path, weights=coarse, before=DOOR)
    assert out.startswith("knows Ada, Grace\n")
    assert seen(out) == ["ding dong: Ada", "ding dong: a stranger", "ding dong: Grace"]
    shutil.rmtree(friends)  # the examples are in friends.sqz
    write_video(video, frames[:7])
    again, _ = run("doorbell.py", friends, *options, cwd=tmp_path, weights=coarse, before=DOOR)
    assert again.splitlines() == out.splitlines()[:2]


def visits(people: Iterable[list[Any]]) -> list[Any]:
    """The pictures of some people who come one after the other, with a while between them."""
    made: list[Any] = []
    for pictures_of_one in people:
        made += [*pictures_of_one, *[np.full_like(pictures_of_one[0], 128)] * 5]
    return made


def test_doorbell_knows_real_faces(tmp_path: Path, coarse: Path, shared: Path) -> None:
    people = sorted(path for path in (shared / "faces").iterdir() if path.is_dir())[:3]
    friends = tmp_path / "friends"
    shots = []
    for person in people:
        images = sorted(person.iterdir())
        if person != people[-1]:  # the last one is a stranger
            (friends / person.name).mkdir(parents=True)
            for path in images[:5]:
                shutil.copy(path, friends / person.name)
        shots.append([face(path) for path in images[5:9] for _ in range(3)])
    video = write_video(tmp_path / "door.mp4", visits(shots))
    options = ("--source", video)
    out, _ = run("doorbell.py", friends, *options, cwd=tmp_path, weights=coarse, before=DOOR)
    said = [line.removeprefix("ding dong: ") for line in seen(out)]
    assert said == [*(person.name for person in people[:-1]), "a stranger"]


def face(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((92, 112)))


def cats(places: Iterable[int]) -> list[Any]:
    """A cat on a wall, its left edge at these columns of 320."""
    cat = np.asarray(Image.fromarray(photo("chelsea.jpg")).resize((160, 120)))
    made = []
    for left in places:
        wall = np.full((240, 480, 3), 150, np.uint8)
        wall[100:220, left : left + 160] = cat
        made.append(wall[:, 80:400])
    return made


def test_smart_camera(tmp_path: Path) -> None:
    frames = 2 * [photo("coffee.jpg")] + 5 * [photo("chelsea.jpg")]
    video = write_video(tmp_path / "kitchen.mp4", frames)
    options = ("--source", video, "--keep", tmp_path / "seen")
    out, _ = run("smart_camera.py", "cat", *options, cwd=tmp_path)
    (kept,) = (tmp_path / "seen").iterdir()
    assert seen(out) == [f"cat 1 appears, kept in {kept}"]
    with Image.open(kept) as image:
        assert image.size == (320, 240)
        difference = np.abs(np.asarray(image, np.float32) - photo("chelsea.jpg"))
    assert difference.mean() < 10
    _, err = run("smart_camera.py", "unicorn", *options, code=2, cwd=tmp_path)
    assert "no class is named 'unicorn', expected one of person, cat, " in err


def test_count_line(tmp_path: Path) -> None:
    there = range(40, 280, 24)
    video = write_video(tmp_path / "wall.mp4", cats([*there, *reversed(there)]))
    out, _ = run("count_line.py", "--source", video, "--only", "cat", cwd=tmp_path)
    assert seen(out) == ["cat 1 crosses the line, right", "cat 1 crosses the line, left"]
    assert out.splitlines()[2:] == ["      1    cat left", "      1    cat right"]
    options = ("--source", video, "--line", "0,1,320,1", "--only", "unicorn")
    _, err = run("count_line.py", *options, code=1, cwd=tmp_path)
    assert err.startswith("only has the label 'unicorn', expected one of person, cat, ")
    assert err.count("\n") == 1


@pytest.mark.slow
def test_spark_classify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    photos = tmp_path / "photos" / "sub"
    photos.mkdir(parents=True)
    shutil.copy(EXAMPLES / "coffee.jpg", photos / "a.jpg")
    (photos / "b.jpg").write_bytes(b"no photo")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    run("spark_classify.py", photos.parent, tmp_path / "answers", cwd=tmp_path, strict=False)
    found = {row["path"][-5:]: row for row in parquet.read_table(tmp_path / "answers").to_pylist()}
    assert found["a.jpg"]["label"] == "espresso"
    assert found["a.jpg"]["error"] is None
    assert "no image format" in found["b.jpg"]["error"]


def test_an_invalid_source_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    _, err = run("smart_camera.py", "cat", "--source", "absent.mp4", code=1, cwd=tmp_path)
    assert err.count("\n") == 1
    assert "absent.mp4" in err
