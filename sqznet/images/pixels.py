"""A decoded photo, and the sizes that are accepted."""

from __future__ import annotations

from typing import Any

from sqznet.errors import ImageError

#: Photos with more pixels or a longer side are refused before decoding; the limit is about 0.7 GB
#: of memory. Pillow has the same limit for an error.
MAX_PIXELS = 178_956_970
MAX_SIDE = 65_535


class Pixels:
    """A decoded photo.

    data: uint8 through the buffer protocol: height x width x channels with any strides (height x
        width for gray), or the same bytes flat and contiguous; or a Yuv420 with 3 channels.
    channels: 1 is gray, 3 is RGB, 4 is RGB and an ignored byte.
    bgr: the channel order is blue, green, red.
    whole: (height, width) of the upright photo, if it was scaled down while it was decoded; else
        those of ``data``.
    """

    def __init__(
        self, data: Any, height: int, width: int, channels: int, bgr: bool = False
    ) -> None:
        self.data = data
        self.height = height
        self.width = width
        self.channels = channels
        self.bgr = bgr
        self.whole = height, width


def check_size(width: int, height: int, name: str) -> None:
    """Raises ImageError, beginning with ``name``, for a photo without pixels or with too many."""
    if width < 1 or height < 1:
        raise ImageError(f"{name}: {width} x {height} pixels, expected at least one")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width} x {height} pixels, expected at most {MAX_PIXELS} in all "
            f"and {MAX_SIDE} a side"
        )
