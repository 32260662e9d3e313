"""Draws many photos on one picture, each with a few lines below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqznet.insight import painting
from sqznet.insight.painting import FAINT, INK, MARGIN, NOTE, PAPER, RIGHT, WRONG, Color

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image, ImageDraw

_SIDE, _GAP = 200, 20  # of a photo, and between photos
_COLUMNS = 6
_LINE = 28  # from line to line
_FRAME = 6
_EMPTY = "#f3f4f7"


class Tile(NamedTuple):
    """A photo, uint8 (H, W, 3) of any size, None for one that cannot be read; whether its answer is
    right, which colors the line above it; and the lines below it."""

    photo: npt.NDArray[np.uint8] | None
    right: bool
    lines: tuple[str, ...]


def draw(tiles: Sequence[Tile]) -> Image.Image:
    """An image (RGB) of these photos, of which there is one at least, row by row.

    Raises SqznetError if this Pillow cannot draw text.
    """
    from PIL import Image, ImageDraw

    columns = min(_COLUMNS, len(tiles))
    lines = max(len(tile.lines) for tile in tiles)
    across, down = _SIDE + _GAP, _SIDE + 2 * _FRAME + lines * _LINE + _GAP
    rows = math.ceil(len(tiles) / columns)
    size = across * columns - _GAP + 2 * MARGIN, down * rows - _GAP + 2 * MARGIN
    canvas = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        _draw_tile(canvas, pen, tile, MARGIN + column * across, MARGIN + row * down)
    return canvas


def _draw_tile(
    canvas: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, left: int, top: int
) -> None:
    from PIL import Image, ImageOps

    color: Color = RIGHT if tile.right else WRONG
    pen.rectangle((left, top, left + _SIDE - 1, top + _FRAME - 1), color)
    top += _FRAME
    pen.rectangle((left, top, left + _SIDE - 1, top + _SIDE - 1), _EMPTY)
    if tile.photo is None:
        middle = left + _SIDE // 2, top + _SIDE // 2
        painting.write(pen, middle, "unreadable", NOTE, FAINT, "mm")
    else:
        photo = ImageOps.contain(Image.fromarray(tile.photo), (_SIDE, _SIDE))
        place = (_SIDE - photo.width) // 2, (_SIDE - photo.height) // 2
        canvas.paste(photo, (left + place[0], top + place[1]))
    for number, line in enumerate(tile.lines):
        text = painting.elided(line, NOTE, _SIDE)
        at = left, top + _SIDE + _FRAME + number * _LINE
        painting.write(pen, at, text, NOTE, INK if number == 0 else FAINT)
