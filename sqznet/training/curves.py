"""Draws how a training went: a chart for each kind of value, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqznet.insight import painting
from sqznet.insight.charts import GAP, LINE, PITCH, TEXT, Chart, Point, numbers
from sqznet.insight.painting import FAINT, MARGIN, PAPER

if TYPE_CHECKING:
    from PIL import Image

_WIDTH, _HEIGHT = 480, 320  # of a chart
_COLUMNS = 2
_COLORS = ("#0072b2", "#d55e00", "#009e73")  # of the lines of a chart; further ones repeat them
_DOTTED = 40  # lines of at most so many points have dots

_TITLES = {"rate": "learning rate, of its peak"}

# What a line of the history says of the run rather than of the network.
_APART = ("epoch", "progress", "seconds", "score")

History = Sequence[Mapping[str, float]]


def draw(history: History) -> Image.Image:
    """An image (RGB). ``history``: a mapping for each epoch, of which there is one at least, with
    its number, "epoch", and any values by name. Names with the same last word, such as "loss" and
    "validation_loss", share a chart. Values that are missing, infinite or NaN are left out.

    Raises SqznetError if this Pillow cannot draw text.
    """
    from PIL import Image

    charts = [_chart(history, *panel) for panel in _panels(history).items()]
    columns = max(1, min(_COLUMNS, len(charts)))
    across = max((chart.left for chart, _ in charts), default=0) + _WIDTH + 3 * GAP
    down = PITCH + max((c.above + c.below for c, _ in charts), default=0) + _HEIGHT
    rows = math.ceil(len(charts) / columns)
    size = columns * across + 2 * MARGIN, rows * down + MARGIN
    canvas = Image.new("RGB", size, PAPER)
    for number, (chart, lines) in enumerate(charts):
        row, column = divmod(number, columns)
        left = MARGIN + (column + 1) * across - _WIDTH - 3 * GAP
        top = MARGIN + row * down + chart.above
        chart.paste(canvas, left, top)
        _write_legend(canvas, left, top - PITCH, lines)
    return canvas


def _panels(history: History) -> dict[str, list[str]]:
    """The names of values that share a chart, by their last word."""
    panels: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for row in history for name in row):
        if name not in _APART and any(_is_drawn(row, name) for row in history):
            panels.setdefault(name.rpartition("_")[2], []).append(name)
    return panels


def _chart(history: History, kind: str, names: list[str]) -> tuple[Chart, list[tuple[str, str]]]:
    """The chart of these values, and its lines with their colors."""
    lines: list[tuple[str, list[Point]]] = [
        (name, [(row["epoch"], row[name]) for row in history if _is_drawn(row, name)])
        for name in names
    ]
    epochs = [row["epoch"] for row in history]
    values = [value for _, points in lines for _, value in points]
    chart = Chart(
        _WIDTH, _HEIGHT, numbers("epoch", epochs, True), numbers(_TITLES.get(kind, kind), values)
    )
    legend = []
    for number, (name, points) in enumerate(lines):
        color = _COLORS[number % len(_COLORS)]
        chart.line(points, color)
        for point in points if len(points) <= _DOTTED else ():
            chart.dot(point, color)
        words = name.removesuffix(kind).replace("_", " ").strip()
        legend.append((words or "training", color))
    return chart, legend if len(legend) > 1 else []


def _write_legend(
    canvas: Image.Image, left: int, middle: int, lines: list[tuple[str, str]]
) -> None:
    """Writes the names of lines above the right end of a chart."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(canvas)
    right = left + _WIDTH
    for name, color in reversed(lines):
        painting.write(pen, (right, middle), name, TEXT, FAINT, "rm")
        end = right - painting.length(name, TEXT) - GAP // 2
        pen.rectangle((end - GAP, middle - LINE, end, middle + LINE), color)
        right = end - 2 * GAP


def _is_drawn(row: Mapping[str, float], name: str) -> bool:
    return math.isfinite(row.get(name, math.nan))
