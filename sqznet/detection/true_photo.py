"""A photo with known boxes, and how files with boxes are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqznet.detection.matching import TrueBox
from sqznet.errors import SqznetError, path_for_messages, reason_of, shown
from sqznet.images.finding import Found

# A file with the boxes of one photo is smaller.
_MOST_BYTES = 1 << 24


class TruePhoto(NamedTuple):
    """A photo and its true boxes, in pixels of the upright photo; with ``in_parts``, the places are
    parts of its width and height, 0 to 1."""

    found: Found
    boxes: Sequence[TrueBox]
    in_parts: bool = False

    def in_pixels(self, height: int, width: int) -> Sequence[TrueBox]:
        """The boxes of the photo, which has this size in pixels."""
        if not self.in_parts:
            return self.boxes
        return [
            box._replace(
                x0=box.x0 * width, y0=box.y0 * height, x1=box.x1 * width, y1=box.y1 * height
            )
            for box in self.boxes
        ]


def read_text(path: str, most: int = _MOST_BYTES) -> bytes:
    """The content of a file with boxes. Raises SqznetError, naming it, if it cannot be read."""
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise SqznetError(f"{path_for_messages(path)}: {reason_of(error)}") from None
    if len(content) > most:
        raise SqznetError(
            f"{path_for_messages(path)}: more than {most >> 20} MiB, too much for boxes"
        )
    return content


def number(value: Any, what: str) -> float:
    """A place or an area. Raises SqznetError, saying what it is, for anything but a number."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise SqznetError(f"{what} is {shown(value)}, expected a number")
    return found
