"""The benchmark of tracking: its counts, on scenes whose answers are known."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from benchmarks.tracking import Counts, Frame, Thing, count, scene
from sqznet.boxes import Box, Detection


def found(x: float, thing: Thing | None, frames: int, start: float = 0.0) -> Iterator[Frame]:
    box = Box(x, 0.0, x + 40, 100.0, "person", 0.9)
    for number in range(frames):
        yield Frame(start + number / 10, [Detection("person", 0.9, 0, box)], [thing])


def counted(*parts: Iterator[Frame]) -> Counts:
    counts = Counts()
    count(itertools.chain(*parts), counts)
    return counts


def test_a_thing_with_one_number_and_with_two() -> None:
    thing = Thing(0, 0, 0, 100, 0)
    assert counted(found(0, thing, 10)) == Counts(things=1, boxes=10, followed=8)
    two = counted(found(0, thing, 10), found(300, thing, 10, 1.0))
    assert two == Counts(things=1, boxes=20, followed=16, switches=1)


def test_two_things_with_one_number_are_no_switch() -> None:
    one, other = Thing(0, 0, 0, 100, 0), Thing(0, 0, 0, 100, 0)
    counts = counted(found(0, one, 10), found(0, other, 10, 1.0))
    assert (counts.things, counts.switches) == (2, 0)


def test_a_track_of_nothing() -> None:
    assert counted(found(0, None, 10)) == Counts(false=1)


def test_scenes_are_always_the_same_and_all_different() -> None:
    frames = [list(scene(seed, 5)) for seed in (0, 0, 1)]
    assert [frame.found for frame in frames[0]] == [frame.found for frame in frames[1]]
    assert [frame.found for frame in frames[0]] != [frame.found for frame in frames[2]]
    assert len(frames[0]) == 300


def test_few_numbers_are_mixed_up() -> None:
    counts = Counts()
    count(scene(0, 15), counts)
    assert counts.things == 25
    assert counts.followed / counts.boxes > 0.95
    assert counts.switches <= 8
