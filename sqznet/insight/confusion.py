"""Draws a confusion matrix: a row per true class, a column per answer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqznet.insight import painting
from sqznet.insight.evaluation import UNKNOWN
from sqznet.insight.painting import HEAD, INK, MARGIN, NOTE, PAPER, RIGHT, WRONG

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from sqznet.insight.evaluation import Evaluation

_GAP = 12
_LABELS = 220  # the maximum width of labels
# The side of a cell, by the larger number of rows or columns.
_SIDES = ((6, 92), (16, 56), (40, 34), (80, 27))
_TINY = 14  # for more rows or columns; such cells hold no numbers

_EMPTY = (243, 244, 247)


def draw(evaluation: Evaluation) -> Image.Image:
    """An image (RGB): the color of a cell shows its share of the row, and numbers show the counts
    where there is room. Correct answers are green, wrong ones are red.

    Classes that the model does not know come last; for them "(unknown)" is correct.
    Raises SqznetError if this Pillow cannot draw text.
    """
    from PIL import Image, ImageDraw

    rows = [*evaluation.counts.items(), *evaluation.unknown_counts.items()]
    columns = evaluation.answers
    most = max(len(rows), len(columns))
    cell = next((side for limit, side in _SIDES if most <= limit), _TINY)
    size = min(NOTE, cell - 2)
    names = [painting.elided(label, size, _LABELS) for label, _ in rows]
    heads = [painting.elided(label, size, _LABELS) for label in columns]
    left = MARGIN + max(painting.length(name, size) for name in names) + _GAP
    head = max(painting.length(name, size) for name in heads)
    title, note = _texts(evaluation)
    top = HEAD + head + _GAP
    width = max(left + cell * len(columns) + MARGIN, painting.head_width(title, note))
    canvas = Image.new("RGB", (width, top + cell * len(rows) + MARGIN), PAPER)
    pen = ImageDraw.Draw(canvas)
    painting.write_head(pen, title, note)
    for x, name in enumerate(heads):
        _write_upwards(canvas, (left + x * cell, top - _GAP), name, size, cell)
    for y, (name, (label, counter)) in enumerate(zip(names, rows, strict=True)):
        middle = top + y * cell + cell // 2
        painting.write(pen, (left - _GAP, middle), name, size, INK, "rm")
        correct = label if label in evaluation.counts else UNKNOWN
        for x, answer in enumerate(columns):
            box = left + x * cell, top + y * cell, cell
            _draw_cell(pen, box, counter, answer, correct == answer)
    return canvas


def _texts(evaluation: Evaluation) -> tuple[str, str]:
    total = evaluation.total
    title = f"{100 * evaluation.correct / max(total, 1):.1f} % correct"
    note = f"{total} photos; rows: true classes, columns: answers"
    found, unknown = evaluation.found_unknown()
    if unknown:
        note += f"; {found} of {unknown} others called unknown"
    return title, note


def _draw_cell(
    pen: ImageDraw.ImageDraw,
    box: tuple[int, int, int],
    counter: Counter[str],
    answer: str,
    is_correct: bool,
) -> None:
    x, y, cell = box
    count, total = counter[answer], max(counter.total(), 1)
    share = (count / total) ** 0.6 if count else 0.0  # makes small shares visible
    full = RIGHT if is_correct else WRONG
    color = tuple(round(a + share * (b - a)) for a, b in zip(_EMPTY, full, strict=True))
    pen.rectangle((x + 1, y + 1, x + cell - 1, y + cell - 1), fill=color)
    if count and cell > _TINY:
        text = f"{count}"
        size = min(NOTE, round((cell - 6) / (0.62 * len(text))))
        middle = x + cell // 2, y + cell // 2
        painting.write(pen, middle, text, size, PAPER if share > 0.45 else INK, "mm")


def _write_upwards(
    canvas: Image.Image, at: tuple[int, int], text: str, size: int, cell: int
) -> None:
    """Writes text that reads upward and ends centered above a column."""
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (max(1, painting.length(text, size)), cell), PAPER)
    painting.write(ImageDraw.Draw(strip), (0, cell // 2), text, size, INK, "lm")
    turned = strip.transpose(Image.Transpose.ROTATE_90)
    canvas.paste(turned, (at[0], at[1] - turned.height))
