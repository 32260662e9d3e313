"""Live sources: the newest frame wins, memory stays flat, and a lost source is opened again."""

from __future__ import annotations

import gc
import itertools
import resource
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import Sighting, SqznetError
from sqznet.watching import newest
from sqznet.watching.newest import Newest
from sqznet.watching.shot import LostError

from ..conftest import EMULATED
from ..support.watching import Bytes, Levels, Scripted, flat, ticking


def ignore(_: str) -> None:
    raise AssertionError("nothing went wrong")


def test_a_slow_model_gets_the_newest_frames() -> None:
    sightings = sqznet.watch(
        ticking(0.005), model=Levels(0.05), live=True, smoothing=0, notice=ignore
    )
    seen = list(itertools.islice(sightings, 8))
    sightings.close()
    levels = [s.shown.index for s in seen]
    assert levels == sorted(levels)
    for before, after in itertools.pairwise(seen):
        # The counts add up: every frame is either classified or dropped.
        assert after.shown.index - before.shown.index == after.dropped + 1
        assert after.time > before.time
    assert sum(s.dropped for s in seen) > (2 if EMULATED else 20)
    # The answer is about a frame that has just arrived, not about one from a queue.
    assert all(s.latency < 0.05 + 0.03 + (2 if EMULATED else 0.2) for s in seen)


def test_a_fast_model_gets_all_frames() -> None:
    seen = list(sqznet.watch(ticking(0.01, 30), model=Levels(), live=True, smoothing=0))
    assert sum(1 + s.dropped for s in seen) == 30
    assert len(seen) > 20


def test_fps_limits_a_live_source() -> None:
    began = time.monotonic()
    seen = list(sqznet.watch(ticking(0.005, 120), model=Levels(), live=True, fps=20))
    assert len(seen) <= 20 * (time.monotonic() - began) + 2
    assert len(seen) >= 4
    assert sum(s.dropped for s in seen) > len(seen)


def frames_alive(alive: weakref.WeakValueDictionary[int, Any], interval: float) -> Iterator[Bytes]:
    """Endless distinct images of 1.2 MB; `alive` tracks those that are still referenced."""

    class Array(np.ndarray[Any, Any]):
        pass

    for i in itertools.count():
        time.sleep(interval)
        picture = np.full((480, 832, 3), i % 256, np.uint8).view(Array)
        alive[i] = picture
        yield picture


def watch_endless(
    model: Any, seconds: float, interval: float = 0.001, pause: float = 0.0
) -> tuple[int, int, int]:
    """(frames classified, most frames alive at once, peak growth in KiB after a tenth of the time).

    interval: seconds between frames. pause: seconds that the caller spends on each frame.
    """
    alive: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
    sightings = sqznet.watch(frames_alive(alive, interval), model=model, live=True)
    end, warm = time.monotonic() + seconds, time.monotonic() + seconds / 10
    seen = most = peak = 0
    for _ in sightings:
        seen += 1
        most = max(most, len(alive))
        if time.monotonic() < warm:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if time.monotonic() > end:
            break
        time.sleep(pause)
    sightings.close()
    return seen, most, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak


def test_an_endless_source_keeps_few_frames() -> None:
    seen, most, grown = watch_endless(Levels(0.005), 12 if EMULATED else 1.2)
    assert seen > 50
    assert most <= 5  # being made, waiting, being classified, with the caller
    assert grown < 32 << 10


@pytest.mark.slow
def test_memory_is_flat_for_minutes() -> None:
    """The caller takes a third of the frames; keeping the others would need 9 GB."""
    seen, most, grown = watch_endless(sqznet.load(threads=1), 120.0, 0.01, 0.025)
    assert seen > 1000
    assert most <= 5
    assert grown < 16 << 10


def test_closing_stops_the_reading() -> None:
    threads = threading.active_count()
    sightings = sqznet.watch(ticking(0.005), model=Levels(), live=True)
    next(sightings)
    assert threading.active_count() == threads + 1
    sightings.close()
    assert threading.active_count() == threads
    with pytest.raises(StopIteration):
        next(sightings)


def test_nothing_is_kept_after_the_end() -> None:
    alive: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
    sightings = sqznet.watch(frames_alive(alive, 0.001), model=Levels(), live=True)
    next(sightings)
    assert len(alive) > 0
    sightings.close()
    del sightings
    gc.collect()
    assert len(alive) == 0


def test_the_error_of_a_source_is_raised_after_its_last_frame() -> None:
    def frames() -> Iterator[Bytes]:
        yield flat(7)
        time.sleep(0.05)
        raise OSError("the driver is gone")

    seen: list[Sighting] = []
    with pytest.raises(OSError, match="the driver is gone"):
        seen.extend(sqznet.watch(frames(), model=Levels(), live=True))
    assert [sighting.shown.index for sighting in seen] == [7]


def lost(*levels: int) -> Any:
    def turn() -> Iterator[Bytes]:
        for level in levels:
            time.sleep(0.02)
            yield flat(level)
        raise LostError("unplugged")

    return turn


def test_a_lost_camera_is_opened_again_and_reported_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(newest, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(newest, "LONGEST_DELAY", 0.03)
    monkeypatch.setattr(newest, "STEADY", 0.05)
    said: list[str] = []
    # It returns for a single frame before it is back to stay.
    source = Scripted(lost(1, 2), lost(), lost(), lost(3), lambda: ticking(0.01, 20))
    seen = [shot.picture.to_rgb()[0, 0, 0] for shot, _ in Newest(source, said.append)]
    assert source.opened == 5
    assert said == ["stand-in: lost (unplugged), trying again", "stand-in: back after 0 s"]
    assert seen[:3] == [1, 2, 3]
    assert seen[-1] == 19


def test_the_delays_grow_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return False

    said: list[str] = []
    reader = Newest(Scripted(*[lost()] * 10), said.append)
    monkeypatch.setattr(reader, "_stop", Stop())
    assert list(reader) == []
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert len(said) == 1


def test_closing_does_not_wait_for_a_lost_camera() -> None:
    reader = Newest(Scripted(lost(1), lost(2)), lambda _: None)
    frames = iter(reader)
    next(frames)
    time.sleep(0.1)
    began = time.monotonic()
    reader.close()
    assert time.monotonic() - began < 0.4


# --- picamera2 ---------------------------------------------------------------------------------


class StandIn:
    """A fake Picamera2 with the interface that its manual documents."""

    started = True

    def __init__(self, configuration: Any, frames: list[Bytes]) -> None:
        self.configuration, self.frames = configuration, frames
        self.asked: list[str] = []

    def camera_configuration(self) -> Any:
        return self.configuration

    def capture_array(self, name: str = "main") -> Bytes:
        self.asked.append(name)
        if not self.frames:
            raise RuntimeError("camera frontend has timed out")
        time.sleep(0.03)
        return self.frames.pop(0)


@pytest.mark.parametrize(
    ("format", "pixel"),
    [
        ("BGR888", (10, 20, 30)),
        ("RGB888", (30, 20, 10)),
        ("XBGR8888", (10, 20, 30, 255)),
        ("XRGB8888", (30, 20, 10, 255)),
    ],
)
def test_a_picamera_in_each_of_its_formats(format: str, pixel: tuple[int, ...]) -> None:
    picture = np.broadcast_to(np.array(pixel, np.uint8), (12, 16, len(pixel)))
    configuration = {
        "main": {"format": format, "size": (16, 12), "stride": 16 * len(pixel)},
        "lores": None,
    }
    camera = StandIn(configuration, [picture.copy() for _ in range(3)])
    seen: list[Sighting] = []
    with pytest.raises(SqznetError, match="Picamera2: camera frontend has timed out"):
        seen.extend(sqznet.watch(camera, model=Levels()))
    assert len(seen) + sum(s.dropped for s in seen) == 3
    assert set(camera.asked) == {"main"}
    assert (seen[0].picture.to_rgb() == (10, 20, 30)).all()


@pytest.mark.parametrize(
    ("colors", "luma", "level"),
    [("sYCC", 235, 235), ("SMPTE170M", 235, 255), ("Rec709", 235, 255), (None, 235, 235)],
)
def test_a_picamera_with_a_small_stream_in_yuv(colors: Any, luma: int, level: int) -> None:
    """The `lores` stream, whose rows of 50 pixels are padded to 64 bytes."""
    data = np.full((30, 64), 128, np.uint8)
    data[:20, :50] = luma
    configuration = {
        "main": {"format": "XBGR8888", "size": (100, 40), "stride": 400},
        "lores": {"format": "YUV420", "size": (50, 20), "stride": 64},
        "colour_space": colors,
    }
    camera = StandIn(configuration, [data])
    sighting = next(sqznet.watch(camera, model=Levels()))
    assert set(camera.asked) == {"lores"}
    rgb = sighting.picture.to_rgb()
    assert rgb.shape == (20, 50, 3)
    assert (rgb == level).all()


def test_a_picamera_that_cannot_be_watched_is_refused() -> None:
    main = {"format": "SRGGB10", "size": (16, 12), "stride": 32}
    with pytest.raises(SqznetError, match="format SRGGB10, expected one of BGR888"):
        sqznet.watch(StandIn({"main": main}, []))
    camera = StandIn({"main": {**main, "format": "RGB888"}}, [])
    camera.started = False
    with pytest.raises(SqznetError, match="call its start"):
        sqznet.watch(camera)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cameras are read through V4L2")
def test_a_missing_camera_is_refused() -> None:
    with pytest.raises(SqznetError, match=r"camera 93: no such device \(/dev/video93\)"):
        sqznet.watch(93)


def test_every_is_not_for_live_sources() -> None:
    with pytest.raises(SqznetError, match="every is for files"):
        sqznet.watch(iter([flat(1)]), live=True, every=2)
