"""Gray levels of 16 bits, of which the upper 8 are kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sqznet.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

# For a pixel of several bytes: the index of the byte with bits 8 to 15, and the number of bytes.
_UPPER_BYTE = {
    "I;16": (1, 2),
    "I;16L": (1, 2),
    "I;16B": (0, 2),
    "I;16N": (1, 2) if sys.byteorder == "little" else (0, 2),
    "I": (1, 4) if sys.byteorder == "little" else (2, 4),
}
MODES = tuple(_UPPER_BYTE)

# TIFF 6.0: BitsPerSample, PhotometricInterpretation, MaxSampleValue.
_BITS, _PHOTOMETRIC, _MAX_SAMPLE = 258, 262, 281
_WHITE_IS_ZERO = 0

_INVERTED = bytes(range(255, -1, -1))

#: Upper bytes that are all below this belong to levels of at most 12 bits.
DARK = 16


def levels(image: Image, name: str) -> bytes:
    """A byte for each pixel of a loaded image whose mode is one of `MODES`.

    The levels are taken to fill 16 bits, or the fewer bits that the tags of a TIFF state. Raises
    ImageError, beginning with ``name``, if they are out of range, or if none needs more than 12
    bits: then the upper bits would be a black image.
    """
    if image.mode == "I":
        low, high = image.getextrema()
        if low < 0 or high > 65535:  # type: ignore[operator]
            raise ImageError(
                f"{name}: gray levels from {low} to {high} (mode I), expected 0 to 65535"
            )
    tags = getattr(image, "tag_v2", {})
    bits = _stated_bits(image, tags)
    if bits < 16:
        image = image.convert("I").point(lambda level: level * (1 << 16 - bits))
    first, step = _UPPER_BYTE[image.mode]
    content = image.tobytes()
    upper = content[first::step]
    is_dark = not upper.translate(None, bytes(range(DARK)))
    if bits == 16 and is_dark and content.count(0) < len(content):
        raise too_dark(name)
    # Pillow inverts 8-bit levels itself, but not these.
    return upper.translate(_INVERTED) if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else upper


def too_dark(name: str) -> ImageError:
    """The error for 16-bit levels whose upper bytes are all below `DARK`."""
    return ImageError(
        f"{name}: 16-bit levels of which none exceeds 4095, expected 0 to 65535: scale those of "
        "fewer bits first, 12-bit ones by (array >> 4).astype('uint8')"
    )


def _stated_bits(image: Image, tags: dict[int, object]) -> int:
    bits, most = tags.get(_BITS), tags.get(_MAX_SAMPLE)
    most = most[0] if isinstance(most, tuple) and most else most
    if bits == (12,):
        return 12
    if not isinstance(most, int) or not 255 <= most < 65535:
        return 16
    highest = image.convert("I").getextrema()[1]
    return most.bit_length() if highest <= most else 16  # type: ignore[operator]
