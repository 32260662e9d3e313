"""The logits of the bundled network in 8-bit integers: their bytes are the same on every machine.

Nothing here depends on a library's release: the photos are made by integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from random import Random

import numpy as np
import numpy.typing as npt

from sqznet import api
from sqznet.images.preprocessing import Preprocessing

#: SHA-256 of the logits of `photos`, by their height and width.
DIGESTS: Mapping[tuple[int, int], str] = {
    (64, 83): "dc438450c826aa82a09ee56622a1a68fb71c0b983e125a6e1c16a00c4ff290c9",
    (224, 224): "3cff460e97becd9a2d338c567f5d032436bb19b259bb576bdef46c8535cdc760",
}

_COUNT = 3
_CELLS = (32, 8, 1)  # sides of the squares of one color, which add up to a photo


def digest(isa: str, threads: int, height: int, width: int) -> str:
    """SHA-256, in hex, of the logits that these kernels give, little-endian float32 (3, 1000).

    As many photos as threads run in one pass of the network.
    """
    model = api.load(isa=isa, threads=threads, precision="int8")
    logits = model.logits(normalized(model.preprocessing, photos(height, width)))
    return sha256(logits.astype("<f4").tobytes()).hexdigest()


def photos(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Gray levels of colored squares and grain, uint8 (3, H, W, 3)."""
    random = Random(2)
    total = np.zeros((_COUNT, height, width, 3), np.int64)
    for cell in _CELLS:
        rows, columns = -(-height // cell), -(-width // cell)
        drawn = np.frombuffer(random.randbytes(_COUNT * rows * columns * 3), np.uint8)
        squares = drawn.reshape(_COUNT, rows, columns, 3)
        total += squares.repeat(cell, axis=1).repeat(cell, axis=2)[:, :height, :width]
    # The mean of three parts, with twice the contrast, so that some levels are 0 and 255.
    return np.clip(2 * total // len(_CELLS) - 128, 0, 255).astype(np.uint8)


def normalized(pre: Preprocessing, levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The network's input (N, 3, H, W) for gray levels in its order of channels."""
    values = (levels - np.array(pre.mean)) / np.array(pre.std)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)
