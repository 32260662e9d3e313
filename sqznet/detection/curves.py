"""Draws precision over recall: a curve for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqznet.detection.drawing import color_of
from sqznet.detection.evaluation import THRESHOLDS
from sqznet.insight import painting
from sqznet.insight.charts import GAP, LINE, PITCH, TEXT, Chart, shares
from sqznet.insight.painting import FAINT, HEAD, INK, MARGIN, PAPER

if TYPE_CHECKING:
    from PIL import Image

    from sqznet.detection.evaluation import DetectionEvaluation

_SIDE = 640  # of the chart
_LABELS = 220  # the maximum width of labels


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
    chart = _chart(evaluation, [(color, row.label) for color, row in rows])
    names = [painting.elided(row.label, TEXT, _LABELS) for _, row in rows]
    notes = [f"{100 * (row.ap50 or 0):.1f} %, {row.things} boxes" for _, row in rows]
    title, note = _texts(evaluation)
    left, top = MARGIN + chart.left, HEAD + PITCH + GAP
    right = left + _SIDE + 2 * GAP
    columns = right + 2 * GAP + max((painting.length(name, TEXT) for name in names), default=0)
    ends = [columns + GAP + painting.length(text, TEXT) for text in notes]
    width = max([*ends, painting.head_width(title, note) - MARGIN]) + MARGIN
    height = max(top + _SIDE + 3 * TEXT, top + PITCH * len(rows)) + MARGIN
    canvas = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    painting.write_head(pen, title, note)
    chart.paste(canvas, left, top)
    for number, ((color, _), name, text) in enumerate(zip(rows, names, notes, strict=True)):
        y = top + PITCH * number + PITCH // 2
        pen.rectangle((right, y - LINE, right + GAP, y + LINE), fill=color)
        painting.write(pen, (right + 2 * GAP, y), name, TEXT, INK, "lm")
        painting.write(pen, (columns + GAP, y), text, TEXT, FAINT, "lm")
    return canvas


def _texts(evaluation: DetectionEvaluation) -> tuple[str, str]:
    dots = ", ".join(f"{threshold:g}" for threshold in THRESHOLDS)
    title = f"AP50 {100 * (evaluation.ap50 or 0):.1f} %"
    return title, f"{evaluation.photos} photos; overlap 0.5; dots: scores from {dots} on"


def _chart(evaluation: DetectionEvaluation, rows: list[tuple[str, str]]) -> Chart:
    """The curves of these classes, each with its color."""
    chart = Chart(_SIDE, _SIDE, shares("recall"), shares("precision"))
    for color, label in reversed(rows):  # the best comes last, on top
        ranking = evaluation.ranking(label)
        recall, precision = (values.tolist() for values in ranking.envelope())
        points = zip([0.0, *recall], [*precision[:1], *precision], strict=True)
        chart.line(list(points), color)
        for threshold in THRESHOLDS:
            counts = evaluation.counts(threshold, label)
            if counts.detections:
                reached = precision[counts.detections - 1]
                chart.dot((counts.right / counts.things, reached), color)
    return chart
