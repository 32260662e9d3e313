"""Lines and areas: their geometry and their checks."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from sqznet import SqznetError
from sqznet.watching.zones import Zone, checked_zones, depth, direction, is_between, side

SQUARE = [(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)]
# Its right side has a notch whose tip is at 15, 20.
NOTCHED = [(10.0, 10.0), (30.0, 10.0), (15.0, 20.0), (30.0, 30.0), (10.0, 30.0)]


# --- Geometry --------------------------------------------------------------------------------


def test_the_sides_of_a_line() -> None:
    line = [(0.0, 0.0), (0.0, 10.0)]
    assert side(line, (3, 5)) == -side(line, (-3, 5)) == -3
    assert side(line, (0, 99)) == 0


@pytest.mark.parametrize(
    ("before", "after", "over"),
    [
        ((-5, 5), (5, 5), True),
        ((-5, 0), (5, 0), True),  # over its end
        ((-5, 11), (5, 11), False),
        ((-5, 8), (15, 16), True),
        ((-5, 8), (5, 16), False),
    ],
)
def test_ways_over_a_line(before: Any, after: Any, over: bool) -> None:
    for line in ([(0.0, 0.0), (0.0, 10.0)], [(0.0, 10.0), (0.0, 0.0)]):
        assert is_between(line, before, after) is over
        assert is_between(line, after, before) is over
        assert is_between(line, after, before, 5)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("end", "onto", "seen"),
    [
        ((0, 10), (5, 5), "right"),
        ((0, 10), (-5, 5), "left"),
        ((10, 0), (5, 5), "down"),
        ((10, 0), (5, -5), "up"),
        ((10, 4), (5, 9), "down"),
        ((4, 10), (-3, 5), "left"),
    ],
)
def test_directions_do_not_depend_on_the_order_of_the_points(
    end: Any, onto: Any, seen: str, turned: bool
) -> None:
    line = [end, (0, 0)] if turned else [(0, 0), end]
    assert direction(line, side(line, onto)) == seen


@pytest.mark.parametrize(
    ("area", "point", "distance"),
    [
        (SQUARE, (20, 20), 10),
        (SQUARE, (12, 20), 2),
        (SQUARE, (40, 20), -10),
        (SQUARE, (33, 34), -5),
        (SQUARE, (10, 15), 0),
        (SQUARE, (30, 30), 0),
        # In the notch, 10 from its tip; its edges rise 2 in 3.
        (NOTCHED, (25, 20), -10 * math.sin(math.atan2(2, 3))),
    ],
)
def test_depth(area: Any, point: Any, distance: float) -> None:
    assert depth(area, point) == pytest.approx(distance)
    assert depth(area[::-1], point) == pytest.approx(distance)


def test_depth_agrees_with_angles() -> None:
    """A point is inside if the corners turn around it once."""
    chance = random.Random(0)
    corners = sorted(chance.uniform(0, math.tau) for _ in range(9))
    area = [(50 + r * math.cos(a), 50 + r * math.sin(a)) for a in corners for r in (20 + 10 * a,)]
    for _ in range(300):
        x, y = chance.uniform(0, 100), chance.uniform(0, 100)
        angles = [math.atan2(b - y, a - x) for a, b in area]
        pairs = zip(angles, angles[1:] + angles[:1], strict=True)
        turns = [(b - a + math.pi) % math.tau - math.pi for a, b in pairs]
        assert (depth(area, (x, y)) > 0) == (abs(sum(turns)) > 1)


# --- Places on a picture ---------------------------------------------------------------------


def test_shares_and_pixels() -> None:
    assert Zone("gate", [(0.5, 0), (0.5, 1)]).points(640, 480) == [(320, 0), (320, 480)]
    assert Zone("gate", [(320, 0), (320, 480)]).points(640, 480) == [(320, 0), (320, 480)]
    assert Zone("gate", [(320, 0), (320, 480)]).is_line
    assert not Zone("yard", SQUARE).is_line


def test_outside_of_the_picture() -> None:
    zone = Zone("gate", [(320, 0), (320, 481)])
    with pytest.raises(
        SqznetError, match=r"^zone gate: 320,481 is outside of the picture of 640 x"
    ):
        zone.points(640, 480)


# --- Checks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([(1, 2)], "found 1 points, expected 2 to 100 points, each x and y"),
        ([(0, n) for n in range(101)], "found 101 points"),
        ([], "found 0 points"),
        (None, "found None, expected 2 to 100 points"),
        ([1, 2, 3, 4], "found a list, expected"),
        ([(1, 2, 3), (4, 5, 6)], "found a list, expected"),
        ([("a", "b"), ("c", "d")], "found a list, expected"),
        ([(1, 2), (math.nan, 3)], "found nan,3, expected numbers of 0 or more"),
        ([(1, 2), (math.inf, 3)], "found inf,3, expected numbers"),
        ([(1, 2), (-1, 3)], "found -1,3, expected numbers"),
        ([(0.5, 2), (0.5, 3)], "expected whole pixels, or shares of at most 1"),
        ([(5, 5), (5, 5)], "5,5 is there twice in a row"),
        ([(5, 5), (9, 5), (5, 5)], "5,5 is there twice in a row"),
        ([(10, 10), (30, 30), (30, 10), (10, 30)], "edges 10,10 to 30,30 and 30,10 to 10,30 cross"),
        ([(0, 0), (20, 0), (10, 0)], "cross, expected the corners in order"),
        ([(0, 0), (20, 0), (20, 20), (10, 0), (0, 20)], "cross, expected"),
    ],
)
def test_other_points_are_refused(points: Any, said: str) -> None:
    with pytest.raises(SqznetError) as caught:
        Zone("gate", points)
    assert str(caught.value).startswith("zone gate: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("area", [SQUARE, NOTCHED, SQUARE[:3]])
def test_sound_areas_are_taken(area: Any) -> None:
    for turn in range(len(area)):
        Zone("yard", area[turn:] + area[:turn])
        Zone("yard", (area[turn:] + area[:turn])[::-1])
    # Two edges on one line, apart from each other.
    Zone("u", [(0, 0), (10, 0), (10, 5), (20, 5), (20, 0), (30, 0), (30, 20), (0, 20)])


@pytest.mark.parametrize("name", ["", " ", None, 7, "a\x1b[2J", "a\nb", "\u202eb", "x" * 61])
def test_other_names_are_refused(name: Any) -> None:
    with pytest.raises(SqznetError, match=r"^a zone is named ") as caught:
        Zone(name, [(0, 0), (1, 1)])
    assert str(caught.value).isprintable()


def test_other_mappings_are_refused() -> None:
    assert checked_zones(None) == []
    assert [zone.name for zone in checked_zones({"a": SQUARE, "b": SQUARE})] == ["a", "b"]
    for zones in ([SQUARE], "gate", 7):
        with pytest.raises(SqznetError, match="expected a mapping from names to points"):
            checked_zones(zones)  # type: ignore[arg-type]
    with pytest.raises(SqznetError, match="zone a is there twice, expected each name once"):
        checked_zones([Zone("a", SQUARE), Zone("a", NOTCHED)])
