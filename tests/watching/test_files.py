"""Folders with new files, images from the caller, and what `watch` refuses."""

from __future__ import annotations

import io
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet import Frame, Sighting, SqznetError
from sqznet.images.finding import ENDINGS, expand
from sqznet.watching import folder

from ..support.http_server import wait_for
from ..support.isolated import run_script
from ..support.places import ROOT
from ..support.watching import Levels, flat

# --- Images from the caller --------------------------------------------------------------------


def levels(source: Any, **options: Any) -> list[int]:
    sightings = sqznet.watch(source, model=Levels(), smoothing=0, **options)
    return [sighting.shown.index for sighting in sightings]


def test_every_image_of_a_list_is_classified() -> None:
    pictures = [flat(1), Image.fromarray(flat(2)), Frame.wrap(flat(3)), flat(4)]
    assert levels(pictures) == [1, 2, 3, 4]
    assert levels(pictures, every=2) == [1, 3]
    assert levels(np.stack([flat(5), flat(6)])) == [5, 6]
    assert levels([]) == []


def test_any_iterable_is_a_source() -> None:
    class Camera:
        def read(self) -> Any:
            raise AssertionError

        def __iter__(self) -> Iterator[Any]:
            return iter([flat(8), flat(9)])

    for frames in (Camera(), iter([flat(8), flat(9)]), {0: flat(8), 1: flat(9)}.values()):
        assert levels(frames) == [8, 9]


def test_arrays_in_the_channel_order_of_opencv() -> None:
    bgr = flat(0)
    bgr[..., 2] = 200
    assert levels([bgr]) == [0]
    # A Frame and a PIL image know their own channel order.
    same = [bgr, Frame.wrap(bgr, "bgr"), Image.fromarray(bgr[..., ::-1])]
    assert levels(same, format="bgr") == [200, 200, 200]


def test_a_sighting() -> None:
    sighting = next(sqznet.watch(iter([flat(9)]), model=Levels()))
    assert isinstance(sighting, Sighting)
    assert sighting.predictions == [sighting.shown] == [sqznet.Prediction("level 9", 0.9, 9)]
    assert 0 <= sighting.time < 1
    assert 0 < sighting.latency < 1
    assert (sighting.dropped, sighting.path) == (0, None)
    assert (sighting.picture.height, sighting.picture.width) == (24, 32)


def test_the_bundled_model_is_the_default() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    sighting = next(sqznet.watch([photo], top=3))
    expected = sqznet.classify(photo, top=3)
    assert [p.index for p in sighting.predictions] == [p.index for p in expected]
    assert sighting.predictions[0].score == pytest.approx(expected[0].score)


def test_exceptions_of_the_callers_iterable_pass_through() -> None:
    def broken() -> Iterator[Any]:
        yield flat(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        levels(broken())


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ([], {"every": 0}, "every must be a whole number"),
        ([], {"top": 1.5}, "top must be a whole number"),
        ([], {"fps": 0}, "fps is 0"),
        ([], {"fps": math.nan}, "fps is nan"),
        ([], {"smoothing": -1}, "smoothing is -1"),
        ([], {"hysteresis": 1}, "hysteresis is 1"),
        ([], {"format": "yuv"}, "expected 'rgb' or 'bgr'"),
        (None, {}, "cannot watch <NoneType>"),
        (True, {}, "cannot watch <bool>"),
        (b"photo", {}, "cannot watch <bytes>"),
        (io.BytesIO(b"photo"), {}, "cannot watch <BytesIO>"),
        ({"a": 1}, {}, "cannot watch <dict>"),
        (flat(1), {}, "cannot watch <ndarray>"),
        ("no such\nfile.mp4", {}, r"no such\\nfile.mp4: No such file"),
    ],
)
def test_invalid_sources_are_refused_at_once(source: Any, options: Any, said: str) -> None:
    with pytest.raises(SqznetError, match=said):
        sqznet.watch(source, **options)


def test_importing_watch_imports_neither_numpy_nor_av() -> None:
    run_script(
        """
        import sys, sqznet
        assert "sqznet.watching.loop" not in sys.modules
        sqznet.watch
        heavy = {"numpy", "av", "rich", "PIL"} & set(sys.modules)
        assert not heavy, heavy
        """
    )


# --- Folders -----------------------------------------------------------------------------------


class Watcher:
    """Watches a folder in the background and records the results."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.notices: list[str] = []
        self.seen: list[tuple[str, int]] = []
        self._over = False
        self._sightings = sqznet.watch(
            path, model=Levels(), smoothing=0, notice=self.notices.append, **options
        )
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        for sighting in self._sightings:
            if self._over:
                return
            assert sighting.path is not None
            self.seen.append((os.path.basename(sighting.path), sighting.shown.index))

    def names(self) -> list[str]:
        return [name for name, _ in self.seen]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Watcher]]:
    """Starts a Watcher that scans often."""
    monkeypatch.setattr(folder, "POLL", 0.03)
    watchers: list[tuple[Watcher, Path]] = []

    def start(path: Path, **options: Any) -> Watcher:
        watchers.append((Watcher(path, **options), path))
        return watchers[-1][0]

    yield start
    for watcher, path in watchers:
        watcher._over = True
        path.mkdir(exist_ok=True)
        while watcher._thread.is_alive():  # one more image ends it
            save(path / "last.png", int(time.monotonic() * 100) % 256)
            watcher._thread.join(0.1)


def save(path: Path, level: int) -> None:
    Image.fromarray(flat(level)).save(path)


def test_only_new_and_complete_images_are_classified(
    tmp_path: Path, started: Callable[..., Watcher]
) -> None:
    save(tmp_path / "old.png", 1)
    watcher = started(tmp_path)
    whole = (tmp_path / "old.png").read_bytes()
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "empty.png").touch()
    with open(tmp_path / "slow.png", "wb") as file:
        for i in range(0, len(whole), max(1, len(whole) // 12)):
            file.write(whole[i : i + max(1, len(whole) // 12)])
            file.flush()
            time.sleep(0.015)
            assert watcher.seen == []
    wait_for(lambda: watcher.seen == [("slow.png", 1)])
    save(tmp_path / "old.png", 77)  # written again
    wait_for(lambda: watcher.seen[1:] == [("old.png", 77)])
    assert watcher.notices == []


def test_images_come_in_the_order_of_their_times(
    tmp_path: Path, started: Callable[..., Watcher]
) -> None:
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    for path in (outside, inside):
        path.mkdir()
    for i, name in enumerate(("c.png", "a.png", "b.png")):
        save(outside / name, i)
        os.utime(outside / name, (1000 + i, 1000 + i))
    watcher = started(inside)
    for path in sorted(outside.iterdir()):
        path.rename(inside / path.name)
    wait_for(lambda: len(watcher.seen) == 3)
    assert watcher.names() == ["c.png", "a.png", "b.png"]


def test_photos_of_every_suffix_are_seen(tmp_path: Path, started: Callable[..., Watcher]) -> None:
    """The same ones as where a folder is classified; the content of a file gives its format."""
    watcher = started(tmp_path)
    names = {f"photo{ending}" for ending in ENDINGS} | {"CAPITAL.JPG"}
    for name in names:
        Image.fromarray(flat(7)).save(tmp_path / name, "PNG")
    (tmp_path / "photo.txt").write_bytes((tmp_path / "photo.jpg").read_bytes())
    wait_for(lambda: len(watcher.seen) >= len(names))
    assert (
        set(watcher.names())
        == names
        == {os.path.basename(photo.path) for photo in expand([tmp_path])}
    )
    assert watcher.notices == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_is_never_waited_for(tmp_path: Path, started: Callable[..., Watcher]) -> None:
    os.mkfifo(tmp_path / "old.jpg")
    watcher = started(tmp_path)
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    save(tmp_path / "good.png", 5)
    wait_for(lambda: watcher.seen == [("good.png", 5)])
    expected = ["old.jpg", "a.jpg", "zero.jpg"]
    assert sorted(watcher.notices) == sorted(
        f"{tmp_path}: {name} is not a regular file, so it is skipped" for name in expected
    )


def test_images_of_one_time_come_in_the_order_of_their_numbers(
    tmp_path: Path, started: Callable[..., Watcher]
) -> None:
    (tmp_path / "in").mkdir()
    watcher = started(tmp_path / "in")
    names = ("s10.png", "s9.png", "s2.png")
    for name in names:
        save(tmp_path / name, 1)
        os.utime(tmp_path / name, (1000, 1000))
    for name in names:
        (tmp_path / name).rename(tmp_path / "in" / name)
    wait_for(lambda: len(watcher.seen) == 3)
    assert watcher.names() == ["s2.png", "s9.png", "s10.png"]


def test_damaged_and_deleted_images_do_not_end_it(
    tmp_path: Path, started: Callable[..., Watcher]
) -> None:
    watcher = started(tmp_path)
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    wait_for(lambda: len(watcher.notices) == 1)
    assert "damaged.jpg" in watcher.notices[0]
    save(tmp_path / "gone.png", 3)
    os.unlink(tmp_path / "gone.png")
    save(tmp_path / "good.png", 5)
    wait_for(lambda: watcher.seen == [("good.png", 5)])
    assert len(watcher.notices) == 1


def test_a_folder_that_goes_away_is_waited_for(
    tmp_path: Path, started: Callable[..., Watcher]
) -> None:
    path = tmp_path / "mounted"
    path.mkdir()
    watcher = started(path)
    shutil.rmtree(path)
    wait_for(lambda: len(watcher.notices) == 1)
    time.sleep(0.1)
    assert len(watcher.notices) == 1
    path.mkdir()
    save(path / "new.png", 8)
    wait_for(lambda: watcher.seen == [("new.png", 8)])


def test_photos_of_a_folder_have_nothing_to_do_with_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is shown with its own label and score, unless averaging is asked for."""
    monkeypatch.setattr(folder, "POLL", 0.001)
    for options, shown in (({}, [1, 2, 3]), ({"smoothing": 60, "hysteresis": 0.9}, [1, 1, 1])):
        sightings = sqznet.watch(tmp_path, model=Levels(), **options)
        seen = []
        for level in (1, 2, 3):
            save(tmp_path / f"{len(options)}-{level}.png", level)
            seen.append(next(sightings))
        assert [sighting.shown.index for sighting in seen] == shown
        if not options:
            assert [sighting.shown.score for sighting in seen] == [0.9] * 3
            assert [sighting.predictions[0] for sighting in seen] == [s.shown for s in seen]


def test_only_existing_files_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "POLL", 0.001)
    source = folder.FolderSource(str(tmp_path), lambda _: None)
    shots = source.shots()
    for i in range(20):
        path = tmp_path / f"{i}.png"
        save(path, i)
        assert next(shots).path == str(path)
        path.unlink()
    assert len(source._done) <= 1


def test_fps_is_not_for_folders(tmp_path: Path) -> None:
    with pytest.raises(SqznetError, match="fps is for video"):
        sqznet.watch(tmp_path, fps=1)


def test_the_example_in_the_docs_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "watch.md"
    if not page.is_file():
        pytest.skip("the docs are not beside the tests")
    monkeypatch.chdir(ROOT)
    example = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(compile(example, str(page), "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert "espresso, 100%, 0 dropped" in first
    assert "cat, " in second
