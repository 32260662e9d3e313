"""Generates a photo, always the same, for use without a real one."""

from __future__ import annotations

from functools import reduce
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

# The cell size of the coarsest grain in pixels, and the number of halvings.
_COARSEST, _OCTAVES = 128, 7


def photo(height: int, width: int) -> Image:
    """An RGB photo of clouds and grain. As in a real photo, finer details are fainter, so that
    decoders and zero-skipping kernels do about as much work."""
    from PIL import Image

    random = Random(1)
    layers = []
    for octave in range(_OCTAVES):
        cell = _COARSEST >> octave
        rows, columns = height // cell + 2, width // cell + 2
        grain = Image.frombytes("RGB", (columns, rows), random.randbytes(3 * columns * rows))
        large = grain.resize((columns * cell, rows * cell), Image.Resampling.BICUBIC)
        layers.append(large.crop((0, 0, width, height)))
    # Starting at the finest layer, each has twice the weight of all finer ones.
    return reduce(lambda fine, coarse: Image.blend(fine, coarse, 0.6), reversed(layers))


def jpeg(height: int, width: int) -> bytes:
    """The same photo as a JPEG file with the usual quality of cameras."""
    from io import BytesIO

    file = BytesIO()
    photo(height, width).save(file, "JPEG", quality=90)
    return file.getvalue()
