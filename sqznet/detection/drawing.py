"""Draws the boxes of detections into photos, each with a chip: its label and score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from sqznet.answers import score_text
from sqznet.boxes import Detection
from sqznet.insight import painting

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from sqznet.insight.painting import Rectangle

# Seven colors that people with any color vision tell apart: Okabe and Ito, "Color Universal Design"
# (2008), without black. Those most unlike each other come first.
COLORS = ("#d55e00", "#56b4e9", "#f0e442", "#009e73", "#cc79a7", "#0072b2", "#e69f00")
_INKS = ("#000000", "#ffffff")
# Below each line, so that it shows on any background.
_SHADOW = (0, 0, 0, 110)

# The height of text is this part of the picture's mean side; a chip that finds no free place may
# have smaller text.
_TEXT = 1 / 36
_SMALLER = 0.75
_LEAST_TEXT = 12  # pixels, unless the picture is too small for it
_TOO_SMALL = 6  # text that nobody can read is not drawn
# A chip is at most this part of the picture's width.
_WIDEST = 0.5
# A chip should cover no more than this part of another thing.
_HIDDEN = 0.2


class _Chip(NamedTuple):
    """A label's text, its size in pixels and where it is drawn."""

    text: str
    size: int
    place: Rectangle


def color_of(index: int) -> str:
    """The color of a class; the eighth class has that of the first."""
    return COLORS[index % len(COLORS)]


def draw(
    photo: Image.Image, detections: Sequence[Detection], names: Sequence[str] = ()
) -> Image.Image:
    """A copy of a photo, in RGB, with a box for each detection and, above or in it, a chip.

    ``detections``: best first, in pixels of the photo. ``names``: the text of each chip; default:
    label and score, such as "person 93 %". Colors belong to classes. Lines and text grow with the
    photo. No chip covers another one or leaves the photo; where things are crowded, those of the
    last detections may be missing.
    Raises SqznetError if this Pillow cannot draw text.
    """
    from PIL import ImageDraw

    picture = photo.convert("RGB")
    texts = names or [f"{d.label} {score_text(d.score, 'sigmoid', 0)}" for d in detections]
    size = _text_size(picture)
    line = max(1, round(size / 6))
    boxes = [_within(detection, picture.size) for detection in detections]
    pen = ImageDraw.Draw(picture, "RGBA")
    for box in boxes:
        _outline(pen, box, _SHADOW, line + 2 * max(1, line // 3), max(1, line // 3))
    for box, detection in reversed(list(zip(boxes, detections, strict=True))):
        _outline(pen, box, color_of(detection.index), line)
    taken: list[Rectangle] = []
    for number, (text, detection) in enumerate(zip(texts, detections, strict=True)):
        others = [*boxes[:number], *boxes[number + 1 :]]
        chip = _chip(text, size, boxes[number], picture.size, taken, others)
        if chip is not None:
            taken.append(chip.place)
            _fill(picture, pen, chip, color_of(detection.index))
    return picture


def _text_size(picture: Image.Image) -> int:
    width, height = picture.size
    wanted = max(_LEAST_TEXT, round(_TEXT * sqrt(width * height)))
    return min(wanted, min(width, height) // 3)


def _within(detection: Detection, size: tuple[int, int]) -> Rectangle:
    """The box in whole pixels of the picture, end excluded, at least one a side."""
    width, height = size
    box = detection.box
    x0, y0 = (min(max(0, round(v)), end - 1) for v, end in ((box.x0, width), (box.y0, height)))
    x1, y1 = (min(round(v), end) for v, end in ((box.x1, width), (box.y1, height)))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _outline(
    pen: ImageDraw.ImageDraw,
    box: Rectangle,
    color: str | tuple[int, int, int, int],
    line: int,
    wider: int = 0,
) -> None:
    """Four lines, inside of a box that is so much wider on each side."""
    x0, y0, x1, y1 = box
    edges = (x0 - wider, y0 - wider, x1 - 1 + wider, y1 - 1 + wider)
    pen.rectangle(edges, outline=color, width=line)


# --- Chips ---------------------------------------------------------------------------------------


def _chip(
    text: str,
    size: int,
    box: Rectangle,
    within: tuple[int, int],
    taken: Sequence[Rectangle],
    others: Sequence[Rectangle],
) -> _Chip | None:
    """The chip of a box in a place that is not ``taken`` and hides none of the other boxes, if
    there is one; None if all are taken or the picture has no room."""
    second: _Chip | None = None
    for pixels in (size, round(_SMALLER * size)):
        for chip in _candidates(text, pixels, box, within) if pixels >= _TOO_SMALL else ():
            if any(_shared(chip.place, other) for other in taken):
                continue
            if not any(_hides(chip.place, other) for other in others):
                return chip
            second = second or chip
    return second


def _candidates(text: str, size: int, box: Rectangle, within: tuple[int, int]) -> Iterator[_Chip]:
    """A chip in each place that it may have within the picture, the best first."""
    width, height = within
    margin = max(2, size // 3)
    shown = painting.elided(text, size, round(_WIDEST * width) - 2 * margin)
    across = painting.length(shown, size) + 2 * margin
    down = size + 2 * max(1, size // 5)
    if across > width:
        return
    for x, y in _corners(box, across, down):
        x = min(max(0, x), width - across)
        if 0 <= y <= height - down:
            yield _Chip(shown, size, (x, y, x + across, y + down))


def _corners(box: Rectangle, across: int, down: int) -> Iterator[tuple[int, int]]:
    """The left upper corners that a chip may have, the best first: on the upper edge and on the
    lower one, outside and then inside, and then down along both sides, inside."""
    x0, y0, x1, y1 = box
    for y in (y0 - down, y0, y1, y1 - down):
        for x in (x0, x1 - across):
            yield x, y
    for y in range(y0 + down, y1 - down, max(1, down // 2)):
        for x in (x0, x1 - across):
            yield x, y


def _shared(one: Rectangle, other: Rectangle) -> int:
    """The area in pixels that two rectangles share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def _hides(chip: Rectangle, box: Rectangle) -> bool:
    """Whether a chip would cover too much of a box."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return _shared(chip, box) > _HIDDEN * area


def _fill(picture: Image.Image, pen: ImageDraw.ImageDraw, chip: _Chip, color: str) -> None:
    x0, y0, x1, y1 = chip.place
    painting.fill_rounded(picture, chip.place, max(1, chip.size // 5), color)
    middle = (x0 + x1) // 2, (y0 + y1) // 2
    painting.write(pen, middle, chip.text, chip.size, _ink(color), "mm")


def _ink(color: str) -> str:
    """Black or white, whichever has the larger contrast with a color (WCAG 2.1, relative luminance
    and contrast ratio)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # 1.05 / (l + 0.05) against (l + 0.05) / 0.05.
    return _INKS[(luminance + 0.05) ** 2 < 1.05 * 0.05]
