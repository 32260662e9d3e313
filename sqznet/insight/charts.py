"""Draws charts of lines, dots and bars: an area between two axes with numbers on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqznet.insight import painting
from sqznet.insight.painting import FAINT, INK, PAPER, Color

if TYPE_CHECKING:
    from PIL import Image

#: The height of text; what lies between it and what it belongs to; from line to line.
TEXT, GAP, PITCH = 20, 16, 32
#: The width of a line, and the radius of a dot.
LINE, DOT = 3, 5
GRID = "#e4e7eb"

_SMOOTH = 3  # charts are drawn this many times larger, and reduced
_MOST_STEPS = 6

Point = tuple[float, float]


class Axis(NamedTuple):
    """Its name, the values at its ends, and the numbers on it: values with their texts."""

    name: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """The place of a value: 0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def shares(name: str) -> Axis:
    """An axis from 0 to 100 %."""
    ticks = ((tick / 4, f"{25 * tick} %") for tick in range(5))
    return Axis(name, 0.0, 1.0, tuple(ticks))


def numbers(
    name: str, values: Sequence[float], whole: bool = False, most: int = _MOST_STEPS
) -> Axis:
    """An axis that holds these finite values, of which there is one at least, with round numbers at
    both ends. ``whole``: numbers on it are whole. ``most``: of steps between them, or one more."""
    low, high = min(values), max(values)
    if high <= low:  # a single value: from 0 to it, or one unit around
        low, high = (low - 1, high) if whole else (min(low, 0.0), max(high, 0.0))
        high += high <= low
    step = _step((high - low) / most)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [(n * step, f"{n * step:.6g}") for n in range(first, last + 1)]
    return Axis(name, ticks[0][0], ticks[-1][0], tuple(ticks))


def _step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not smaller."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


class Chart:
    """An area of ``width`` x ``height`` pixels, its grid, and what is drawn on it, in the units of
    the axes; what comes last is on top.

    Every method raises SqznetError if this Pillow cannot draw text.
    """

    def __init__(self, width: int, height: int, x: Axis, y: Axis) -> None:
        from PIL import Image, ImageDraw

        self.width, self.height, self._x, self._y = width, height, x, y
        # A margin of one dot, for those on the edges.
        size = _SMOOTH * (width + 2 * DOT), _SMOOTH * (height + 2 * DOT)
        self._canvas = Image.new("RGB", size, PAPER)
        self._pen = ImageDraw.Draw(self._canvas)
        for value, _ in x.ticks:
            self._pen.line((self._place(value, y.low), self._place(value, y.high)), GRID, _SMOOTH)
        for value, _ in y.ticks:
            self._pen.line((self._place(x.low, value), self._place(x.high, value)), GRID, _SMOOTH)

    @property
    def left(self) -> int:
        """The pixels that the numbers to the left of the area take."""
        return GAP + max(painting.length(text, TEXT) for _, text in self._y.ticks)

    @property
    def above(self) -> int:
        """The pixels that the name above the area takes."""
        return PITCH + TEXT // 2

    @property
    def below(self) -> int:
        """The pixels that numbers and name below the area take."""
        return DOT + PITCH + 2 * TEXT

    def line(self, points: Sequence[Point], color: Color, width: int = LINE) -> None:
        places = [self._place(*point) for point in points]
        self._pen.line(places, color, width * _SMOOTH, joint="curve")

    def dot(self, point: Point, color: Color) -> None:
        x, y = self._place(*point)
        radius = DOT * _SMOOTH
        self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), color)

    def bar(self, low: Point, high: Point, color: Color) -> None:
        """A filled rectangle between its left lower and its right upper corner."""
        (x0, y1), (x1, y0) = self._place(*low), self._place(*high)
        self._pen.rectangle((x0, y0, x1, y1), color)

    def paste(self, canvas: Image.Image, left: int, top: int) -> None:
        """Puts the chart on a picture, the left upper corner of its area at this place."""
        from PIL import Image, ImageDraw

        size = self.width + 2 * DOT, self.height + 2 * DOT
        canvas.paste(self._canvas.resize(size, Image.Resampling.BOX), (left - DOT, top - DOT))
        pen = ImageDraw.Draw(canvas)
        below = top + self.height + DOT + 4
        for value, text in self._y.ticks:
            y = top + round(self.height * (1 - self._y.share(value)))
            painting.write(pen, (left - GAP, y), text, TEXT, FAINT, "rm")
        for value, text in self._x.ticks:
            x = left + round(self.width * self._x.share(value))
            painting.write(pen, (x, below), text, TEXT, FAINT, "ma")
        middle = left + self.width // 2
        painting.write(pen, (middle, below + PITCH), self._x.name, TEXT, INK, "ma")
        painting.write(pen, (left - self.left, top - PITCH), self._y.name, TEXT, INK, "lm")

    def _place(self, x: float, y: float) -> Point:
        across, up = self._x.share(x), self._y.share(y)
        place = DOT + self.width * across, DOT + self.height * (1 - up)
        return _SMOOTH * place[0], _SMOOTH * place[1]
