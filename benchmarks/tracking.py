"""Counts how often `sqznet.watching.tracks` mixes things up, in a made-up street.

python -m benchmarks.tracking

People and dogs cross a picture of 640 x 480 at their own speeds, slow down and speed up. The boxes
that a detector would give are made from where they are: 4 % of jitter; 5 % are missing; what is
covered by nearer things has a lower score, and none from two thirds on; one frame in ten has a box
around nothing. A switch is counted as in CLEAR MOT (K. Bernardin and R. Stiefelhagen, "Evaluating
Multiple Object Tracking Performance", 2008): a thing has another number than it had before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqznet.boxes import Box, Detection
from sqznet.watching.tracks import Tracker

WIDTH, HEIGHT = 640, 480
LABELS = ("person", "dog")
THRESHOLDS, LOWEST = (0.35, 0.35), 0.175
SEEDS = range(10)

_JITTER, _MISSED, _GHOSTS = 0.04, 0.05, 0.1
_COVERED = 2 / 3


@dataclass(eq=False)
class Thing:
    """Something that walks: the middle of its feet and its height in pixels, its speed in heights
    per second."""

    index: int
    x: float
    y: float
    height: float
    speed: float

    def box(self) -> tuple[float, float, float, float]:
        wide = self.height * (0.4 if self.index == 0 else 1.5)
        return self.x - wide / 2, self.y - self.height, self.x + wide / 2, self.y

    def walk(self, seconds: float, chance: random.Random) -> None:
        self.x += self.speed * self.height * seconds
        self.speed += chance.gauss(0, 0.3) * seconds**0.5


class Frame(NamedTuple):
    """What is found at a time; for each box the thing that it shows, None if it shows nothing."""

    time: float
    found: list[Detection]
    things: list[Thing | None]


@dataclass
class Counts:
    """Of one or more scenes."""

    things: int = 0
    boxes: int = 0
    followed: int = 0
    switches: int = 0
    false: int = 0


def scene(seed: int, rate: float, things: int = 25, seconds: float = 60.0) -> Iterator[Frame]:
    """The frames of a street: so many things cross it within so many seconds."""
    chance = random.Random(seed)
    arrivals = sorted(chance.uniform(0, seconds - 5) for _ in range(things))
    present: list[Thing] = []
    for number in range(int(seconds * rate)):
        time = number / rate
        while arrivals and arrivals[0] <= time:
            arrivals.pop(0)
            present.append(_arriving(chance))
        for thing in present:
            thing.walk(1 / rate, chance)
        present = [t for t in present if -t.height < t.x < WIDTH + t.height]
        yield _seen(time, present, chance)


def _arriving(chance: random.Random) -> Thing:
    index = int(chance.random() < 0.3)
    depth = chance.uniform(0.3, 1.0)  # 1: nearest
    height = depth * (300 if index == 0 else 110)
    heading = chance.choice((-1, 1))
    speed = heading * chance.uniform(0.5, 1.1) * (1 if index == 0 else 1.5)
    return Thing(index, WIDTH / 2 - heading * WIDTH / 2, 150 + depth * 320, height, speed)


def _seen(time: float, present: list[Thing], chance: random.Random) -> Frame:
    found: list[Detection] = []
    things: list[Thing | None] = []
    for thing in present:
        nearer = [other for other in present if other.y > thing.y]
        covered = max((_part(thing.box(), other.box()) for other in nearer), default=0.0)
        if chance.random() < _MISSED or covered > _COVERED:
            continue
        score = min(0.95, max(0.0, chance.gauss(0.75, 0.12) - 0.6 * covered))
        corners = [v + chance.gauss(0, _JITTER / 2) * thing.height for v in thing.box()]
        x0, y0, x1, y1 = _clipped(*corners)
        if score >= LOWEST and x1 - x0 > 8 and y1 > y0:
            found.append(_detection(thing.index, score, (x0, y0, x1, y1)))
            things.append(thing)
    if chance.random() < _GHOSTS:
        x, y, side = chance.uniform(0, 500), chance.uniform(0, 350), chance.uniform(30, 130)
        score = chance.uniform(LOWEST, 0.6)
        found.append(_detection(chance.randrange(2), score, (x, y, x + side, y + side)))
        things.append(None)
    return Frame(time, found, things)


def _part(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The part of a box that another one covers."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    area = (one[2] - one[0]) * (one[3] - one[1])
    return max(0.0, width) * max(0.0, height) / area


def _clipped(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
    return max(0.0, x0), max(0.0, y0), min(float(WIDTH), x1), min(float(HEIGHT), y1)


def _detection(index: int, score: float, corners: tuple[float, float, float, float]) -> Detection:
    label = LABELS[index]
    return Detection(label, score, index, Box(*corners, label, score))


def count(frames: Iterator[Frame], counts: Counts) -> None:
    """Adds what the tracker makes of a scene."""
    tracker = Tracker(THRESHOLDS)
    last: dict[Thing, str] = {}
    false: set[str] = set()
    for time, found, things in frames:
        shown = dict(zip(map(id, found), things, strict=True))
        counts.boxes += sum(thing is not None for thing in things)
        for track in tracker.update(time, found).tracks:
            if not track.seen:
                continue
            thing = shown[id(track.detection)]
            if thing is None:
                false.add(track.name)
                continue
            counts.followed += 1
            counts.switches += last.get(thing, track.name) != track.name
            last[thing] = track.name
    counts.things += len(last)
    counts.false += len(false - set(last.values()))


def main() -> None:
    print(f"{len(SEEDS)} scenes of a minute, 25 things each")
    print("frames/s  things  boxes followed  switches  tracks of nothing")
    for rate in (30, 15, 10, 5, 3, 2):
        counts = Counts()
        for seed in SEEDS:
            count(scene(seed, rate), counts)
        share = 100 * counts.followed / counts.boxes
        print(
            f"{rate:8}  {counts.things:6}  {share:13.1f}%  {counts.switches:8}  {counts.false:17}"
        )


if __name__ == "__main__":
    main()
