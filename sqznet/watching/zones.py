"""Lines and areas on the picture, which things cross, enter and leave.

A zone has a name and points: two are a line, three or more the corners of an area. Where a thing
is, the middle of the lower edge of its box says: there it stands on the ground.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqznet.errors import MAX_SHOWN, SqznetError, shown

Point = tuple[float, float]

_MOST_POINTS = 100


class Zone:
    """A line of two points, or an area of more, in whole pixels of the picture or, if no number is
    above 1, in shares of its width and height.

    Raises SqznetError, naming the zone, for anything else, and for edges that cross each other.
    """

    def __init__(self, name: Any, points: Any) -> None:
        self.name = _checked_name(name)
        self._points = _checked_points(self.name, points)
        self.is_line = len(self._points) == 2
        if not self.is_line:
            _check_edges(self.name, self._points)

    def points(self, width: int, height: int) -> list[Point]:
        """The points in pixels of a picture of this size.

        Raises SqznetError if one lies outside of it.
        """
        if max(map(max, self._points)) <= 1:
            return [(x * width, y * height) for x, y in self._points]
        for x, y in self._points:
            if x > width or y > height:
                raise SqznetError(
                    f"zone {self.name}: {x:g},{y:g} is outside of the picture of {width} x "
                    f"{height} pixels"
                )
        return self._points


def checked_zones(zones: Mapping[Any, Any] | Iterable[Zone] | None) -> list[Zone]:
    """Zones, or a mapping of names to points.

    Raises SqznetError as `Zone` does, and for anything else and for names that are there twice.
    """
    if isinstance(zones, Mapping):
        return [Zone(name, points) for name, points in zones.items()]
    made = list(zones) if isinstance(zones, Iterable) else [] if zones is None else [zones]
    names = set()
    for zone in made:
        if not isinstance(zone, Zone):
            raise SqznetError(f"zones has {shown(zone)}, expected a mapping from names to points")
        if zone.name in names:
            raise SqznetError(f"zone {zone.name} is there twice, expected each name once")
        names.add(zone.name)
    return made


def side(line: Sequence[Point], point: Point) -> float:
    """The distance in pixels of a point from the endless line through two points; negative on one
    side of it."""
    (x0, y0), (x1, y1) = line
    across, down = x1 - x0, y1 - y0
    return (across * (point[1] - y0) - down * (point[0] - x0)) / math.hypot(across, down)


def is_between(line: Sequence[Point], before: Point, after: Point, margin: float = 0.0) -> bool:
    """Whether the way from one point to another, on different sides of a line, leads over the part
    between its two points, or past them by at most so many pixels."""
    from_line, to_line = side(line, before), side(line, after)
    share = from_line / (from_line - to_line)
    (x0, y0), (x1, y1) = line
    across, down = x1 - x0, y1 - y0
    x = before[0] + share * (after[0] - before[0]) - x0
    y = before[1] + share * (after[1] - before[1]) - y0
    length = math.hypot(across, down)
    return -margin <= (x * across + y * down) / length <= length + margin


def direction(line: Sequence[Point], onto: float) -> str:
    """Where things go that cross a line onto a side of it (the sign of `side`), as the picture
    shows it: "down" or "up" if the line lies rather flat, else "right" or "left"."""
    (x0, y0), (x1, y1) = line
    # The normal that points to the side where `side` is positive is (-down, across).
    right, down = -(y1 - y0) * onto, (x1 - x0) * onto
    if abs(right) >= abs(down):
        return "right" if right > 0 else "left"
    return "down" if down > 0 else "up"


def depth(area: Sequence[Point], point: Point) -> float:
    """The distance in pixels of a point from the nearest edge of an area; negative outside."""
    x, y = point
    is_inside = False
    nearest = math.inf
    for (x0, y0), (x1, y1) in _edges(area):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            is_inside = not is_inside
        nearest = min(nearest, _distance((x0, y0), (x1, y1), point))
    return nearest if is_inside else -nearest


def _edges(area: Sequence[Point]) -> Iterable[tuple[Point, Point]]:
    return zip(area, [*area[1:], area[0]], strict=True)


def _distance(start: Point, end: Point, point: Point) -> float:
    """That of a point from the part of a line between two points."""
    across, down = end[0] - start[0], end[1] - start[1]
    along = (point[0] - start[0]) * across + (point[1] - start[1]) * down
    share = min(1.0, max(0.0, along / (across**2 + down**2)))
    return math.hypot(point[0] - start[0] - share * across, point[1] - start[1] - share * down)


# --- Checks --------------------------------------------------------------------------------------


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_SHOWN:
        raise SqznetError(
            f"a zone is named {shown(name)}, expected a text of 1 to {MAX_SHOWN} characters"
        )
    if not name.isprintable():
        raise SqznetError(f"a zone is named {shown(name)}, expected no control characters")
    return name


def _checked_points(name: str, points: Any) -> list[Point]:
    wanted = f"expected 2 to {_MOST_POINTS} points, each x and y"
    try:
        taken = [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError, OverflowError):
        raise SqznetError(f"zone {name}: found {shown(points)}, {wanted}") from None
    if not 2 <= len(taken) <= _MOST_POINTS:
        raise SqznetError(f"zone {name}: found {len(taken)} points, {wanted}")
    for x, y in taken:
        if not (0 <= x < math.inf and 0 <= y < math.inf):
            raise SqznetError(f"zone {name}: found {x:g},{y:g}, expected numbers of 0 or more")
    numbers = [number for point in taken for number in point]
    if max(numbers) > 1 and any(number % 1 for number in numbers):
        raise SqznetError(
            f"zone {name}: expected whole pixels, or shares of at most 1, not a mix of both"
        )
    repeated = next((a for a, b in _edges(taken) if a == b), None)
    if repeated:
        raise SqznetError(f"zone {name}: {repeated[0]:g},{repeated[1]:g} is there twice in a row")
    return taken


def _check_edges(name: str, area: list[Point]) -> None:
    edges = list(_edges(area))
    for number, one in enumerate(edges):
        for other in edges[number + 1 :]:
            if _collide(one, other):
                (x0, y0), (x1, y1) = one
                (x2, y2), (x3, y3) = other
                raise SqznetError(
                    f"zone {name}: its edges {x0:g},{y0:g} to {x1:g},{y1:g} and {x2:g},{y2:g} to "
                    f"{x3:g},{y3:g} cross, expected the corners in order around the area"
                )


def _collide(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether two edges share more than a corner of both."""
    common = {*one} & {*other}
    if len(common) == 1:
        (corner,) = common
        first, second = (end for end in (*one, *other) if end != corner)
        back = [(a - c) * (b - c) for a, b, c in zip(first, second, corner, strict=True)]
        return _turn(corner, first, second) == 0 and sum(back) > 0
    for axis in (0, 1):
        spans = [sorted(point[axis] for point in edge) for edge in (one, other)]
        if spans[0][1] < spans[1][0] or spans[1][1] < spans[0][0]:
            return False
    return all(
        _turn(*edge, points[0]) * _turn(*edge, points[1]) <= 0
        for edge, points in ((one, other), (other, one))
    )


def _turn(start: Point, end: Point, point: Point) -> float:
    """Twice the area of the triangle; its sign says on which side the point lies."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
