"""What happens to the things that are followed: they appear, leave, cross lines, enter and exit
areas.

A box trembles, so a thing counts as past a line or out of an area only when it is `_MARGIN` of its
size beyond. It is no point either, so it crosses a line also if it passes an end as closely. While
a thing is not found, nothing happens to it: if it is found again on the other side of a line, it
has crossed the line then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from sqznet.boxes import Box
from sqznet.watching.tracks import Step, Track
from sqznet.watching.zones import Point, Zone, depth, direction, is_between, side

#: The kinds of events, in the order in which those of one thing in one frame come.
KINDS = ("appears", "crosses", "enters", "exits", "leaves")

# In sizes of the thing, the square root of the area of its box.
_MARGIN = 0.1


class Event(NamedTuple):
    """One thing that happened.

    time: seconds, as that of the frame. kind: one of "appears", "crosses", "enters", "exits" and
    "leaves". track: the thing. zone: the name of the line or area. direction: where it goes that
    crosses a line, as the picture shows it: "right", "left", "down" or "up".
    """

    time: float
    kind: str
    track: Track
    zone: str | None = None
    direction: str | None = None

    def __str__(self) -> str:
        """For people, such as "person 3 crosses gate, right"."""
        zone = f" {self.zone}" if self.zone else ""
        return f"{self.track.name} {self.kind}{zone}" + (
            f", {self.direction}" if self.direction else ""
        )


class Events:
    """The events of one stream."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = zones
        # By track and zone: the areas that things are in, and where things were last on the side of
        # a line from which they come.
        self._inside: set[tuple[str, str]] = set()
        self._before: dict[tuple[str, str], Point] = {}

    def update(self, time: float, step: Step, width: int, height: int) -> list[Event]:
        """The events of a frame of this size, in pixels.

        Raises SqznetError if a zone lies outside of it.
        """
        placed = [(zone, zone.points(width, height)) for zone in self._zones]
        events = [Event(time, "appears", track) for track in step.began]
        for track in step.tracks:
            if track.seen:
                for zone, points in placed:
                    met = self._crossed if zone.is_line else self._entered
                    events += met(time, track, zone.name, points)
        for track in step.ended:
            events += self._left(time, track)
        return events

    def _crossed(self, time: float, track: Track, zone: str, line: Sequence[Point]) -> list[Event]:
        key, here = (track.name, zone), _stands(track.box)
        before = self._before.get(key)
        now = side(line, here)
        if before is None or side(line, before) * now >= 0:
            if now:
                self._before[key] = here
            return []
        margin = _MARGIN * _size(track.box)
        if abs(now) <= margin:
            return []
        self._before[key] = here
        if not is_between(line, before, here, margin):
            return []
        return [Event(time, "crosses", track, zone, direction(line, now))]

    def _entered(self, time: float, track: Track, zone: str, area: Sequence[Point]) -> list[Event]:
        key = track.name, zone
        within = depth(area, _stands(track.box))
        if key not in self._inside and within >= 0:
            self._inside.add(key)
            return [Event(time, "enters", track, zone)]
        if key in self._inside and within < -_MARGIN * _size(track.box):
            self._inside.remove(key)
            return [Event(time, "exits", track, zone)]
        return []

    def _left(self, time: float, track: Track) -> list[Event]:
        """It also exits the areas where it was: as many things exit an area as enter it."""
        exits = []
        for zone in self._zones:
            key = track.name, zone.name
            self._before.pop(key, None)
            if key in self._inside:
                self._inside.remove(key)
                exits.append(Event(time, "exits", track, zone.name))
        return [*exits, Event(time, "leaves", track)]


def _stands(box: Box) -> Point:
    """Where a thing stands: the middle of the lower edge of its box."""
    return (box.x0 + box.x1) / 2, box.y1


def _size(box: Box) -> float:
    return math.sqrt((box.x1 - box.x0) * (box.y1 - box.y0))
