"""Draws an explanation: the photo with the heat map and box of one class, and the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqznet.answers import score_text, share
from sqznet.errors import SqznetError
from sqznet.insight import painting
from sqznet.insight.painting import FAINT, INK, PAPER

if TYPE_CHECKING:
    from PIL import Image

    from sqznet.boxes import Box
    from sqznet.insight.heatmap import Evidence, Explainable

#: The maximum number of scores beside a photo.
MAX_TOP = 12

_MARGIN = 48
_GAP = 56
_PANEL = 520  # the width of the panel beside the photo
_PHOTO_W, _PHOTO_H = 1000, 760  # the photo is scaled to fit in here
_FRAME = 240  # the minimum width and height of the frame around a narrow photo

_FRAMED, _TRACK = "#f0f1f4", "#e9ebef"
_OTHER, _ACCENT = "#8d98a8", "#c2417c"

_TITLE, _TEXT, _SMALL = 46, 23, 18
_BAR = 12
_TAG = 12  # between the edge of a tag and its text
_LEGEND = 88


def draw(
    model: Explainable, image: Any, label: str | int | None = None, top: int = 5
) -> tuple[Image.Image, Box | None]:
    """An image (RGB) that explains a model's answer for one photo, and the box drawn in it.

    image: the photo, as for `Model.classify`. label: the class to explain, by name or index;
    default: the most likely one. top: how many classes get a bar, 1 to 12; the explained class gets
    an extra bar if it is not among them. The box, in pixels of the original photo, is None if no
    place adds to the class's logit.
    Raises ImageError, and SqznetError for an unknown label, another `top`, or a Pillow without
    scalable text.
    """
    from PIL import Image

    if not 1 <= top <= MAX_TOP:
        raise SqznetError(f"top is {top}, expected 1 to {MAX_TOP} for a picture")
    evidence = model.evidence(image)
    index = evidence.index(label)
    box = evidence.box(index)
    photo = _photo(evidence, index, box)
    panel = _panel(evidence, index, top)
    frame_w, frame_h = max(photo.width, _FRAME), max(photo.height, _FRAME)
    height = max(frame_h, panel.height)
    canvas = Image.new("RGB", (2 * _MARGIN + frame_w + _GAP + _PANEL, 2 * _MARGIN + height), PAPER)
    x, y = _MARGIN, _MARGIN + (height - frame_h) // 2
    painting.fill_rounded(canvas, (x, y, x + frame_w, y + frame_h), 14, _FRAMED)
    mask = painting.rounded_mask(*photo.size, 14)
    canvas.paste(photo, (x + (frame_w - photo.width) // 2, y + (frame_h - photo.height) // 2), mask)
    canvas.paste(panel, (x + frame_w + _GAP, _MARGIN + (height - panel.height) // 2))
    return canvas, box


def _photo(evidence: Evidence, index: int, box: Box | None) -> Image.Image:
    """The photo at its largest size, with heat map and box."""
    import numpy as np
    from PIL import Image

    scale = min(_PHOTO_W / evidence.width, _PHOTO_H / evidence.height)
    size = max(1, round(evidence.width * scale)), max(1, round(evidence.height * scale))
    picture = Image.fromarray(evidence.picture(max(size)))
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    heat = evidence.heat(index, size[1], size[0])
    photo = painting.overlay(np.array(picture), heat)
    if box is not None:
        _draw_box(photo, box, scale)
    return photo


def _draw_box(photo: Image.Image, box: Box, scale: float) -> None:
    from PIL import ImageDraw

    x0, y0, x1, y1 = (round(side * scale) for side in box[:4])
    # Keep all sides of the box within the photo.
    x0, y0 = min(max(x0, 4), photo.width - 8), min(max(y0, 4), photo.height - 8)
    x1, y1 = max(min(x1, photo.width - 4), x0 + 4), max(min(y1, photo.height - 4), y0 + 4)
    pen = ImageDraw.Draw(photo)
    pen.rectangle((x0 - 2, y0 - 2, x1 + 1, y1 + 1), outline=INK, width=6)
    pen.rectangle((x0 - 1, y0 - 1, x1, y1), outline=PAPER, width=4)
    room = photo.width - 8 - 2 * _TAG
    if room < 120:  # too narrow for a word
        return
    text = painting.elided(box.label, _TEXT, room)
    wide, high = painting.length(text, _TEXT) + 2 * _TAG, _TEXT + 16
    left = max(4, min(x0 - 1, photo.width - 4 - wide))
    # Above the box, else below it, else at its top edge.
    upper = (
        y0 - 6 - high if y0 - 6 - high >= 4 else y1 + 6 if y1 + 10 + high <= photo.height else y0
    )
    painting.fill_rounded(photo, (left, upper, left + wide, upper + high), 8, PAPER)
    painting.write(pen, (left + _TAG, upper + high // 2), text, _TEXT, INK, "lm")


def _panel(evidence: Evidence, index: int, top: int) -> Image.Image:
    """The name of the class, a bar for each of the most likely classes, and the color legend."""
    from PIL import Image, ImageDraw

    shown = evidence.ranking[:top]
    if index not in shown:
        shown = [*shown, index]
    name = painting.wrapped(evidence.labels[index], _TITLE, _PANEL, 3)
    pitch = 66 if len(shown) <= 6 else 52
    line_height = round(1.22 * _TITLE)
    head = line_height * len(name) + 74
    panel = Image.new("RGB", (_PANEL, head + pitch * len(shown) + _LEGEND), PAPER)
    pen = ImageDraw.Draw(panel)
    for i, line in enumerate(name):
        painting.write(pen, (0, i * line_height), line, _TITLE, INK)
    rank = evidence.ranking.index(index) + 1
    place = "first" if rank == 1 else f"number {rank}"
    score = score_text(float(evidence.scores[index]), evidence.activation)
    line = f"{score}, {place} of {len(evidence.labels)} classes"
    if evidence.is_unknown:
        line += "; unknown"
    painting.write(pen, (0, len(name) * line_height + 2), line, _TEXT, FAINT)
    for row, shown_index in enumerate(shown):
        colors = (INK, _ACCENT) if shown_index == index else (FAINT, _OTHER)
        value = float(evidence.scores[shown_index])
        score, length = score_text(value, evidence.activation), share(value, evidence.activation)
        _draw_bar(panel, head + pitch * row, evidence.labels[shown_index], score, length, colors)
    _draw_legend(panel, panel.height - _LEGEND + 24)
    return panel


def _draw_bar(
    panel: Image.Image, y: int, label: str, score: str, length: float, colors: tuple[str, str]
) -> None:
    """A label and its score, and below them a bar of this length in 0..1."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(panel)
    room = _PANEL - painting.length(score, _TEXT) - 24
    painting.write(pen, (0, y), painting.elided(label, _TEXT, room), _TEXT, colors[0])
    painting.write(pen, (_PANEL, y), score, _TEXT, colors[0], "ra")
    y += _TEXT + 8
    painting.fill_rounded(panel, (0, y, _PANEL, y + _BAR), _BAR // 2, _TRACK)
    filled = max(4, round(length * _PANEL))
    painting.fill_rounded(panel, (0, y, filled, y + _BAR), _BAR // 2, colors[1])


def _draw_legend(panel: Image.Image, y: int) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(panel)
    painting.write(pen, (0, y), "adds nothing", _SMALL, FAINT)
    painting.write(pen, (_PANEL, y), "adds most to the answer", _SMALL, FAINT, "ra")
    y += _SMALL + 10
    strip = panel.crop((0, y, _PANEL, y + _BAR))
    columns = ImageDraw.Draw(strip)
    for x, color in painting.legend_columns(_PANEL):
        columns.line((x, 0, x, _BAR), fill=color)
    panel.paste(strip, (0, y), painting.rounded_mask(_PANEL, _BAR, _BAR // 2))
