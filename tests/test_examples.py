"""The programs in examples/, run as their docstrings say, on generated images and videos."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


def run(
    program: str, *arguments: str | Path, code: int = 0, cwd: Path, weights: Path | None = None
) -> tuple[str, str]:
    """The output (stdout, stderr) of a program with the installed package, not the sources."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SQZNET_")}
    start = ["-c", with_weights(weights, RUN)] if weights else []
    done = subprocess.run(
        [sys.executable, "-W", "error", *start, str(EXAMPLES / program), *map(str, arguments)],
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


def test_there_are_four() -> None:
    names = {"sort_photos.py", "gesture_control.py", "doorbell.py", "smart_camera.py"}
    assert {path.name for path in PROGRAMS} == names


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
    frames = [
        shot for kind in ("stripes", "rings", "checks") for shot in pictures(kind, 2, first=100)
    ]
    video = write_video(tmp_path / "door.mp4", frames)
    out, _ = run("doorbell.py", friends, "--source", video, cwd=tmp_path, weights=coarse)
    assert out.startswith("knows Ada, Grace\n")
    assert seen(out) == ["ding dong: Ada", "ding dong: a stranger", "ding dong: Grace"]
    shutil.rmtree(friends)  # the examples are in friends.sqz
    video = write_video(tmp_path / "again.mp4", frames[:2])
    again, _ = run("doorbell.py", friends, "--source", video, cwd=tmp_path, weights=coarse)
    assert again.splitlines() == out.splitlines()[:2]


def test_doorbell_knows_real_faces(tmp_path: Path, coarse: Path, shared: Path) -> None:
    people = sorted(path for path in (shared / "faces").iterdir() if path.is_dir())[:3]
    friends = tmp_path / "friends"
    frames = []
    for person in people:
        images = sorted(person.iterdir())
        if person != people[-1]:  # the last one is a stranger
            (friends / person.name).mkdir(parents=True)
            for path in images[:5]:
                shutil.copy(path, friends / person.name)
        for path in images[5:8]:
            with Image.open(path) as image:
                frames.append(np.asarray(image.convert("RGB").resize((92, 112))))
    video = write_video(tmp_path / "door.mp4", frames)
    out, _ = run("doorbell.py", friends, "--source", video, cwd=tmp_path, weights=coarse)
    said = [line.removeprefix("ding dong: ") for line in seen(out)]
    # An odd pose of a friend may look like a stranger for a moment.
    assert [name for name in said if name != "a stranger"] == [p.name for p in people[:-1]], said
    assert said[-1] == "a stranger"


def test_smart_camera(tmp_path: Path, coarse: Path) -> None:
    frames = [photo("coffee.jpg")] + 4 * [photo("chelsea.jpg")]
    video = write_video(tmp_path / "kitchen.mp4", frames)
    options = ("--source", video, "--keep", tmp_path / "seen", "--pause", "2")
    out, _ = run("smart_camera.py", "cat", *options, cwd=tmp_path, weights=coarse)
    kept = sorted((tmp_path / "seen").iterdir())
    assert len(kept) == len(seen(out)) == 2
    with Image.open(kept[0]) as image:
        assert image.size == (320, 240)
        difference = np.abs(np.asarray(image, np.float32) - photo("chelsea.jpg"))
    assert difference.mean() < 10
    _, err = run("smart_camera.py", "unicorn", *options, code=2, cwd=tmp_path, weights=coarse)
    assert "no class is named 'unicorn'" in err


def test_an_invalid_source_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    _, err = run("smart_camera.py", "cat", "--source", "absent.mp4", code=1, cwd=tmp_path)
    assert err.count("\n") == 1
    assert "absent.mp4" in err
