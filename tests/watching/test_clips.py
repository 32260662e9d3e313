"""Clips of what happened, with the seconds before it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sqznet.watching import clips
from sqznet.watching.clips import Clips

from ..support.watching import flat

av = pytest.importorskip("av", reason="PyAV is not installed")

RATE = 10


def play(path: Path) -> list[tuple[float, int]]:
    """The times of the frames, and the frame numbers that their gray levels tell."""
    with av.open(str(path)) as container:
        return [
            (round(float(f.time), 2), round(f.to_ndarray(format="rgb24").mean() / 2))
            for f in container.decode(video=0)
        ]


def filmed(folder: Path, events: dict[int, str], frames: int = 100, seconds: float = 1.0) -> None:
    """Frames of rising gray levels, with something happening in some of them."""
    made = Clips(seconds)
    for number in range(frames):
        path = str(folder / events[number]) if number in events else None
        made.add(Image.fromarray(flat(2 * number, 48, 64)), number / RATE, path)
    made.close()
    made.close()


def test_a_clip_has_what_was_before(tmp_path: Path) -> None:
    filmed(tmp_path, {30: "a.mp4"})
    shown = play(tmp_path / "a.mp4")
    assert [time for time, _ in shown] == pytest.approx([n / RATE for n in range(21)])
    assert [number for _, number in shown] == pytest.approx(range(20, 41), abs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_what_happens_during_a_clip_makes_it_longer(tmp_path: Path) -> None:
    filmed(tmp_path, {30: "a.mp4", 35: "b.mp4", 36: "c.mp4", 60: "d.mp4"})
    assert len(play(tmp_path / "a.mp4")) == 27  # 20 to 46
    assert [number for _, number in play(tmp_path / "d.mp4")] == pytest.approx(range(50, 71), abs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "d.mp4"]


def test_a_clip_that_goes_on_and_on_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "_LONGEST", 3.0)
    filmed(tmp_path, {number: f"{number}.mp4" for number in range(20, 80)})
    lengths = {path.name: len(play(path)) for path in tmp_path.iterdir()}
    assert lengths == {"20.mp4": 31, "41.mp4": 31, "72.mp4": 18}


def test_the_end_of_the_stream_completes_a_clip(tmp_path: Path) -> None:
    filmed(tmp_path, {3: "a.mp4"}, frames=8, seconds=5)
    assert len(play(tmp_path / "a.mp4")) == 8


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    monkeypatch.setattr(clips, "_MOST_BYTES", 40_000)
    made = Clips(1000)
    for number in range(100):
        made.add(noise, number / RATE, None)
    made.add(noise, 10.0, str(tmp_path / "a.mp4"))
    made.close()
    assert 5 < len(play(tmp_path / "a.mp4")) < 30


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    made = Clips(1)
    path = str(tmp_path / "gone" / "a.mp4")
    with pytest.raises(FileNotFoundError) as caught:
        made.add(Image.fromarray(flat(9, 48, 64)), 0.0, path)
    assert caught.value.filename == path
    made.close()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (96, 128, 3), dtype=np.uint8))
    made = Clips(1)

    def film() -> None:
        for number in range(100):
            made.add(noise.rotate(number), number / RATE, str(tmp_path / "a.mp4"))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            film()
        with suppress(OSError):
            made.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
