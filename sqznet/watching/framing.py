"""Turns frames and cuts a region of interest out of them, before they are classified."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqznet.errors import SqznetError, shown
from sqznet.images.frame import Frame

#: Degrees clockwise.
TURNS = (0, 90, 180, 270)


class Framing:
    """What is classified of each frame.

    rotate: degrees clockwise, 0, 90, 180 or 270. roi: the region of interest of the turned frame:
    x and y of its upper left corner, its width and its height, in whole pixels or, if none of them
    is above 1, as shares of the frame's width and height; None for all of it. What lies outside of
    the frame is cut off.
    Raises SqznetError for other values, and in a call, if the whole region lies outside.
    """

    def __init__(self, rotate: int = 0, roi: Sequence[float] | None = None) -> None:
        if rotate not in TURNS or isinstance(rotate, bool):
            raise SqznetError(f"rotate is {shown(rotate)}, expected one of 0, 90, 180, 270")
        self._turns = TURNS.index(rotate)
        self._roi = None if roi is None else _checked(roi)

    def __call__(self, picture: Frame) -> Frame:
        if not self._turns and self._roi is None:
            return picture
        import numpy as np

        rgb = np.rot90(picture.to_rgb(), -self._turns)
        if self._roi is not None:
            x0, y0, x1, y1 = self._corners(rgb.shape[1], rgb.shape[0])
            rgb = rgb[y0:y1, x0:x1]
        return Frame.wrap(np.ascontiguousarray(rgb))

    def _corners(self, width: int, height: int) -> tuple[int, int, int, int]:
        assert self._roi is not None
        x, y, wide, high = self._roi
        across, down = (width, height) if max(self._roi) <= 1 else (1, 1)
        x0, x1 = (min(round(side * across), width) for side in (x, x + wide))
        y0, y1 = (min(round(side * down), height) for side in (y, y + high))
        if x0 == x1 or y0 == y1:
            region = ",".join(f"{side:g}" for side in self._roi)
            raise SqznetError(f"roi {region} is outside of the frame of {width} x {height} pixels")
        return x0, y0, x1, y1


def _checked(roi: Sequence[float]) -> tuple[float, float, float, float]:
    wanted = "expected x, y, width and height"
    try:
        x, y, width, height = (float(side) for side in roi)
    except (TypeError, ValueError, OverflowError):
        raise SqznetError(f"roi is {shown(roi)}, {wanted}") from None
    sides = x, y, width, height
    found = f"roi is {','.join(f'{side:g}' for side in sides)}, {wanted}"
    if not all(map(math.isfinite, sides)) or min(sides) < 0 or min(width, height) == 0:
        raise SqznetError(f"{found}, 0 or more, the latter two above 0")
    if max(sides) > 1 and any(side % 1 for side in sides):
        raise SqznetError(f"{found}, in whole pixels or as shares of at most 1")
    return sides
