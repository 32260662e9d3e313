"""Draws labels and their scores into photos and frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqznet.answers import Prediction, score_text, share
from sqznet.insight.painting import elided, length, write

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image, ImageDraw

_BAR = "#ffb000"
_OTHERS = "#d5d8dd"
# The strip covers at most this part of the height, if it has more than one label.
_COVERED = 0.5
# The smallest side of a picture that has a strip, in pixels.
_LEAST = 20


def labeled(
    rgb: npt.NDArray[np.uint8], predictions: Sequence[Prediction], activation: str
) -> Image.Image:
    """A picture, uint8 (H, W, 3), with a strip at the bottom: the first label, its score and a bar
    for it, and below them the other labels, as many as there is room for. Without predictions, and
    where it is too small for a word, it has no strip.

    Raises SqznetError if this Pillow cannot draw text.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(rgb)
    width, height = picture.size
    if not predictions or min(width, height) < _LEAST:
        return picture
    size = max(9, min(width // 18, height // 12))
    head, margin = 2 * size + size // 4, size // 2
    small = max(9, round(0.6 * size))
    pitch = round(1.4 * small)
    room = max(0, round(_COVERED * height) - head - margin) // pitch
    others = predictions[1 : 1 + room]
    below = len(others) * pitch + (margin if others else 0)
    foot = height - head - below
    draw = ImageDraw.Draw(picture, "RGBA")
    draw.rectangle((0, foot, width, height), (0, 0, 0, 150))
    _line(draw, predictions[0], activation, foot + size // 4, size, (margin, width), "white")
    thick = max(2, size // 6)
    bottom = height - below - margin
    bar = (margin, bottom - thick, width - margin, bottom)
    draw.rectangle(bar, (255, 255, 255, 60))
    filled = bar[0] + round((bar[2] - bar[0]) * share(predictions[0].score, activation))
    draw.rectangle((bar[0], bar[1], filled, bar[3]), _BAR)
    for row, prediction in enumerate(others):
        y = height - below + row * pitch
        _line(draw, prediction, activation, y, small, (margin, width), _OTHERS)
    return picture


def _line(
    draw: ImageDraw.ImageDraw,
    prediction: Prediction,
    activation: str,
    y: int,
    size: int,
    across: tuple[int, int],
    color: str,
) -> None:
    """A label on the left and its score on the right. across: the margin and the width."""
    margin, width = across
    score = score_text(prediction.score, activation, 0)
    right = width - margin - length(score, size)
    label = elided(prediction.label, size, right - 2 * margin)
    write(draw, (margin, y), label, size, color)
    write(draw, (right, y), score, size, color)
