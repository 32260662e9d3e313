"""Tracks: things keep their numbers through crossings, gaps, jitter and scores that sink."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sqznet import Box, Detection, SqznetError, Track
from sqznet.watching.motion import Motion
from sqznet.watching.tracks import Step, Tracker, iou

from ..support.watching import CLASSES, detection

THRESHOLDS = (0.35,) * len(CLASSES)
RATE = 25

# Where a thing is at a time; None where it is not found.
Path = Callable[[float], Detection | None]


def walker(
    x: float, speed: float, *, y: float = 100, label: str = "person", score: float = 0.9
) -> Path:
    """Something of 40 x 100 pixels, its left edge at x, with this speed in pixels per second."""
    return lambda t: detection(label, x + speed * t, y, x + speed * t + 40, y + 100, score)


def between(path: Path, *gaps: tuple[float, float]) -> Path:
    """The same, not found within these times."""
    return lambda t: None if any(a <= t < b for a, b in gaps) else path(t)


def followed(paths: Sequence[Path], times: Sequence[float], **options: Any) -> list[Step]:
    tracker = Tracker(THRESHOLDS, **options)
    return [tracker.update(t, [d for p in paths if (d := p(t)) is not None]) for t in times]


def ticks(seconds: float, rate: float = RATE) -> list[float]:
    return [n / rate for n in range(round(seconds * rate))]


def names(steps: Sequence[Step], path: Path, times: Sequence[float]) -> set[str]:
    """The names that what goes this way had."""
    return {
        track.name
        for step, time in zip(steps, times, strict=True)
        for track in step.tracks
        if track.seen and track.detection == path(time)
    }


def ended(steps: Sequence[Step]) -> list[str]:
    return [track.name for step in steps for track in step.ended]


# --- Births and deaths -----------------------------------------------------------------------


def test_a_thing_appears_once_it_is_confirmed() -> None:
    steps = followed([walker(0, 50)], ticks(1))
    assert [len(step.tracks) for step in steps[:4]] == [0, 0, 1, 1]
    (track,) = steps[2].began
    assert track == Track(1, track.detection, track.box, True, 0.0)
    assert track.name == "person 1"
    assert track.label == "person"
    assert track.box == walker(0, 50)(2 / RATE).box  # type: ignore[union-attr]
    assert sum(len(step.began) for step in steps) == 1
    assert [len(step.tracks) for step in followed([walker(0, 50)], ticks(0.2), confirm=1)] == [
        1
    ] * 5


def test_what_is_found_now_and_then_never_appears() -> None:
    flickering: Path = lambda t: walker(0, 0)(t) if round(t * RATE) % 3 < 2 else None  # noqa: E731
    assert not any(step.tracks for step in followed([flickering], ticks(2)))


def test_a_track_ends_when_patience_does() -> None:
    times = ticks(4)
    steps = followed([between(walker(0, 20), (1, 9))], times, patience=1.5)
    lost = [step.tracks[0].seen for step in steps if step.tracks]
    assert lost == [True] * 23 + [False] * 37  # found until 0.96 s, followed until 2.44 s
    (number,) = [n for n, step in enumerate(steps) if step.ended]
    assert times[number] == 2.48  # the first one later than 0.96 + 1.5
    assert ended(steps) == ["person 1"]


def test_classes_are_counted_on_their_own() -> None:
    times = ticks(1)
    paths = [walker(0, 50), walker(200, 50), walker(0, 50, label="dog")]
    steps = followed(paths, times)
    assert [names(steps, path, times) for path in paths] == [{"person 1"}, {"person 2"}, {"dog 1"}]


def test_numbers_are_not_used_again() -> None:
    first = between(walker(0, 0), (1, 9))
    second = between(walker(0, 0), (0, 4))
    times = ticks(6)
    steps = followed([first, second], times)
    assert names(steps, first, times) == {"person 1"}
    assert names(steps, second, times) == {"person 2"}
    assert [track.name for step in steps for track in step.began] == ["person 1", "person 2"]


def test_low_scores_keep_a_track_and_start_none() -> None:
    dim: Path = lambda t: walker(0, 50, score=0.9 if t < 0.5 else 0.2)(t)  # noqa: E731
    steps = followed([dim], ticks(4))
    assert all(step.tracks[0].seen for step in steps[2:])
    assert steps[-1].tracks[0].detection.score == 0.2
    assert ended(steps) == []
    assert not any(step.tracks for step in followed([walker(0, 50, score=0.2)], ticks(2)))


# --- Motion ----------------------------------------------------------------------------------


def test_people_who_cross_keep_their_numbers() -> None:
    """The one behind is hidden for most of a second."""
    front = walker(0, 100)
    behind = between(walker(400, -100, y=90), (1.7, 2.4))
    times = ticks(4)
    steps = followed([front, behind], times)
    assert names(steps, front, times) == {"person 1"}
    assert names(steps, behind, times) == {"person 2"}
    assert ended(steps) == []


def test_a_thing_that_is_hidden_is_expected_where_it_goes() -> None:
    path = between(walker(0, 120), (2, 3))
    times = ticks(5)
    steps = followed([path], times)
    hidden = steps[74].tracks[0]  # after 24 frames without it
    assert not hidden.seen
    assert hidden.box.x0 == pytest.approx(120 * times[74], abs=5)
    assert hidden.detection.box.x0 == pytest.approx(120 * times[49])
    assert names(steps, path, times) == {"person 1"}


@pytest.mark.parametrize("rate", [2, 5, 30, 100])
def test_any_frame_rate(rate: float) -> None:
    """At 2 frames per second a walker moves by its own width between two of them."""
    paths = [walker(0, 70), walker(500, -70, y=250)]
    times = ticks(5, rate)
    steps = followed(paths, times)
    assert [names(steps, path, times) for path in paths] == [{"person 1"}, {"person 2"}]


def test_frames_at_uneven_times() -> None:
    chance = random.Random(1)
    times = [0.0]
    while times[-1] < 8:
        times.append(times[-1] + chance.choice((0.02, 0.05, 0.3)))
    path = walker(0, 90)
    steps = followed([path], times)
    assert names(steps, path, times) == {"person 1"}
    assert ended(steps) == []


def test_a_gap_of_the_camera_ends_tracks() -> None:
    times = [*ticks(2), *(62 + t for t in ticks(1))]
    path = walker(0, 0)
    steps = followed([path], times)
    assert names(steps, path, times) == {"person 1", "person 2"}
    assert ended(steps) == ["person 1"]
    assert steps[50].tracks == []


def test_rare_frames_are_no_gap() -> None:
    times = ticks(100, 0.2)  # one every five seconds
    path = between(walker(0, 2), (40, 48))
    steps = followed([path], times)
    assert names(steps, path, times) == {"person 1"}


def test_times_that_go_back_are_no_error() -> None:
    path = walker(0, 0)
    times = [0.0, 0.04, 0.08, 0.02, 0.06, 0.12]
    assert [len(step.tracks) for step in followed([path], times)] == [0, 0, 1, 1, 1, 1]


def test_jitter() -> None:
    chance = random.Random(2)

    def shaken(path: Path) -> Path:
        def found(t: float) -> Detection | None:
            if chance.random() < 0.1:
                return None
            one = path(t)
            assert one is not None
            return detection(one.label, *(c + chance.gauss(0, 3) for c in one.box[:4]))

        return found

    tracker = Tracker(THRESHOLDS)
    paths = [shaken(walker(0, 60)), shaken(walker(600, -60, y=160)), shaken(walker(300, 0, y=300))]
    seen: list[set[str]] = [set(), set(), set()]
    for t in ticks(10):
        found = [path(t) for path in paths]
        for track in tracker.update(t, filter(None, found)).tracks:
            if track.seen:
                seen[found.index(track.detection)].add(track.name)
    assert [len(one) for one in seen] == [1, 1, 1]
    assert len(set.union(*seen)) == 3


def test_someone_leaves_and_another_enters() -> None:
    leaves: Path = lambda t: walker(200, 100)(t) if t < 2 else None  # noqa: E731
    enters: Path = lambda t: walker(640 - 100 * (t - 2.2), 0)(0) if t >= 2.2 else None  # noqa: E731
    times = ticks(5)
    steps = followed([leaves, enters], times)
    assert names(steps, leaves, times) == {"person 1"}
    assert names(steps, enters, times) == {"person 2"}


def test_the_same_frames_give_the_same_numbers() -> None:
    """Also those with boxes that are the same."""
    paths = [walker(0, 50), walker(0, 50), walker(20, 50), walker(20, 50, label="dog")]
    assert followed(paths, ticks(2)) == followed(paths, ticks(2))
    assert len(followed(paths, ticks(2))[-1].tracks) == 4


def test_the_filter_finds_a_constant_speed() -> None:
    motion = Motion(0.0, 0.0)
    for n in range(1, 50):
        motion.advance(0.04)
        motion.correct(100 * n * 0.04, -50 * n * 0.04)
    motion.advance(1.0)
    assert (motion.x, motion.y) == pytest.approx((296, -148), rel=0.001)


def test_the_filter_has_the_covariance_of_its_equations() -> None:
    """Against F P F' + Q and (1 - K H) P in matrices."""
    import numpy as np

    motion = Motion(0.0, 0.0)
    state, p = np.array([0.0, 0.0]), np.diag([0.05**2, 2.0**2])
    measured = np.array([[1.0, 0.0]])
    for seconds, place in ((0.1, 3.0), (0.5, 10.0), (0.04, 11.0), (0.0, 12.0)):
        motion.advance(seconds)
        motion.correct(place, 0.0)
        f = np.array([[1, seconds], [0, 1]])
        q = np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        state, p = f @ state, f @ p @ f.T + q
        gain = p @ measured.T / (measured @ p @ measured.T + 0.05**2)
        state = state + (gain * (place - state[0])).ravel()
        p = p - gain @ measured @ p
        assert motion.x == pytest.approx(state[0])


# --- Arguments -------------------------------------------------------------------------------


def test_overlap() -> None:
    one = Box(0, 0, 10, 10, "", 0)
    assert iou(one, one) == 1
    assert iou(one, Box(5, 0, 15, 10, "", 0)) == pytest.approx(1 / 3)
    assert iou(one, Box(10, 0, 20, 10, "", 0)) == 0
    assert iou(one, Box(5, 5, 5, 5, "", 0)) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"confirm": 0}, "confirm must be a whole number from 1 up, not 0"),
        ({"patience": -1.0}, "patience is -1.0, expected seconds, 0 or more"),
        ({"patience": math.nan}, "patience is nan, expected seconds, 0 or more"),
    ],
)
def test_other_values_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SqznetError, match=said):
        Tracker(THRESHOLDS, **options)
