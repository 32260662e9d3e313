"""Draws precision over recall: a curve for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqznet.detection.drawing import color_of
from sqznet.detection.evaluation import THRESHOLDS
from sqznet.insight import painting
from sqznet.insight.painting import FAINT, INK, PAPER

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from sqznet.detection.evaluation import DetectionEvaluation

_MARGIN, _GAP = 48, 16
_TITLE, _TEXT = 34, 20
_SIDE = 640  # of the plot
_LABELS = 220  # the maximum width of labels
_PITCH = 32  # from class to class
_LINE, _DOT = 3, 5
_SMOOTH = 3  # the plot is drawn this many times larger, and reduced
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_GRID = "#e4e7eb"


def draw(evaluation: DetectionEvaluation) -> Image.Image:
    """An image (RGB): for each class that is on the photos, the precision that is reached at each
    recall or a higher one, at an overlap of 0.5, and a dot for each of `THRESHOLDS`.

    Raises SqznetError if this Pillow cannot draw text.
    """
    from PIL import Image, ImageDraw

    rows = [
        (color_of(index), row)
        for index, row in enumerate(evaluation.figures())
        if row.ap50 is not None
    ]
    rows.sort(key=lambda item: -(item[1].ap50 or 0))
    names = [painting.elided(row.label, _TEXT, _LABELS) for _, row in rows]
    notes = [f"{100 * (row.ap50 or 0):.1f} %, {row.things} boxes" for _, row in rows]
    title, note = _texts(evaluation)
    left = _MARGIN + painting.length("100 %", _TEXT) + _GAP
    top = _MARGIN + round(2.6 * _TITLE) + _PITCH + _GAP
    right = left + _SIDE + 2 * _GAP
    columns = right + 2 * _GAP + max((painting.length(name, _TEXT) for name in names), default=0)
    ends = [columns + _GAP + painting.length(text, _TEXT) for text in notes]
    ends += [_MARGIN + painting.length(title, _TITLE), _MARGIN + painting.length(note, _TEXT)]
    height = max(top + _SIDE + 3 * _TEXT, top + _PITCH * len(rows)) + _MARGIN
    canvas = Image.new("RGB", (max(ends) + _MARGIN, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    painting.write(pen, (_MARGIN, _MARGIN - 8), title, _TITLE, INK)
    painting.write(pen, (_MARGIN, _MARGIN + round(1.15 * _TITLE)), note, _TEXT, FAINT)
    plot = _plot(evaluation, [(color, row.label) for color, row in rows])
    canvas.paste(plot, (left - _DOT, top - _DOT))
    _write_axes(pen, left, top)
    for number, ((color, _), name, text) in enumerate(zip(rows, names, notes, strict=True)):
        y = top + _PITCH * number + _PITCH // 2
        pen.rectangle((right, y - _LINE, right + _GAP, y + _LINE), fill=color)
        painting.write(pen, (right + 2 * _GAP, y), name, _TEXT, INK, "lm")
        painting.write(pen, (columns + _GAP, y), text, _TEXT, FAINT, "lm")
    return canvas


def _texts(evaluation: DetectionEvaluation) -> tuple[str, str]:
    dots = ", ".join(f"{threshold:g}" for threshold in THRESHOLDS)
    title = f"AP50 {100 * (evaluation.ap50 or 0):.1f} %"
    return title, f"{evaluation.photos} photos; overlap 0.5; dots: scores from {dots} on"


def _plot(evaluation: DetectionEvaluation, rows: list[tuple[str, str]]) -> Image.Image:
    """The grid and the curves, with room for dots on the edges."""
    from PIL import Image, ImageDraw

    room, side = _DOT * _SMOOTH, _SIDE * _SMOOTH
    plot = Image.new("RGB", (side + 2 * room, side + 2 * room), PAPER)
    pen = ImageDraw.Draw(plot)

    def place(recall: float, precision: float) -> tuple[float, float]:
        return room + side * recall, room + side * (1 - precision)

    for tick in _TICKS:
        pen.line((place(tick, 0), place(tick, 1)), fill=_GRID, width=_SMOOTH)
        pen.line((place(0, tick), place(1, tick)), fill=_GRID, width=_SMOOTH)
    for color, label in reversed(rows):  # the best comes last, on top
        ranking = evaluation.ranking(label)
        recall, precision = (values.tolist() for values in ranking.envelope())
        points = list(map(place, [0.0, *recall], [*precision[:1], *precision]))
        pen.line(points, fill=color, width=_LINE * _SMOOTH, joint="curve")
        for threshold in THRESHOLDS:
            counts = evaluation.counts(threshold, label)
            if counts.detections:
                reached = precision[counts.detections - 1]
                x, y = place(counts.right / counts.things, reached)
                pen.ellipse((x - room, y - room, x + room, y + room), fill=color)
    return plot.resize((_SIDE + 2 * _DOT, _SIDE + 2 * _DOT), Image.Resampling.BOX)


def _write_axes(pen: ImageDraw.ImageDraw, left: int, top: int) -> None:
    below = top + _SIDE + _DOT + 4
    for tick in _TICKS:
        text = f"{tick:.0%}".replace("%", " %")
        y, x = top + round(_SIDE * (1 - tick)), left + round(_SIDE * tick)
        painting.write(pen, (left - _GAP, y), text, _TEXT, FAINT, "rm")
        painting.write(pen, (x, below), text, _TEXT, FAINT, "ma")
    painting.write(pen, (left + _SIDE // 2, below + _PITCH), "recall", _TEXT, INK, "ma")
    painting.write(pen, (_MARGIN, top - _PITCH), "precision", _TEXT, INK, "lm")
