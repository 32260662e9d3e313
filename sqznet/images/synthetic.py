"""A made-up photo, always the same, for where no real one is at hand."""

from __future__ import annotations

from functools import reduce
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

# Pixels of the coarsest grain, and how often it is halved.
_COARSEST, _OCTAVES = 128, 7


def photo(height: int, width: int) -> Image:
    """An RGB photo of clouds and grain: like a real one, it has detail of every size, the finer
    the fainter, so that decoders and zero-skipping kernels have about as much to do."""
    from PIL import Image

    random = Random(1)
    layers = []
    for octave in range(_OCTAVES):
        cell = _COARSEST >> octave
        rows, columns = height // cell + 2, width // cell + 2
        grain = Image.frombytes("RGB", (columns, rows), random.randbytes(3 * columns * rows))
        large = grain.resize((columns * cell, rows * cell), Image.Resampling.BICUBIC)
        layers.append(large.crop((0, 0, width, height)))
    # From the finest on, each twice as strong as all before it.
    return reduce(lambda fine, coarse: Image.blend(fine, coarse, 0.6), reversed(layers))


def jpeg(height: int, width: int) -> bytes:
    """The same as a JPEG file of the usual quality of cameras."""
    from io import BytesIO

    file = BytesIO()
    photo(height, width).save(file, "JPEG", quality=90)
    return file.getvalue()
