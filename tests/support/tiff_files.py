"""Makes TIFF files tag by tag (TIFF 6.0), such as no writer of Pillow gives."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_SHORT, _LONG = 3, 4

RGB, GRAY, WHITE_IS_ZERO = 2, 1, 0
PHOTOMETRIC, PLANAR, SUBFILE_TYPE, BITS = 262, 284, 254, 258
SUB_IFDS, SAMPLE_FORMAT, MAX_SAMPLE, DNG_VERSION = 330, 339, 281, 50706


def tiff(
    levels: npt.NDArray[Any],
    *,
    order: str = "<",
    separate: bool = False,
    tags: dict[int, tuple[int, ...]] | None = None,
) -> bytes:
    """A file of one strip for each plane: levels H x W, or H x W x C; ``separate`` planes or not.

    ``tags`` are added, or replace those that follow from the levels.
    """
    height, width = levels.shape[:2]
    samples = levels.shape[2] if levels.ndim == 3 else 1
    planes = np.moveaxis(levels, 2, 0) if separate and samples > 1 else levels[None]
    strips = [plane.astype(levels.dtype.newbyteorder(order)).tobytes() for plane in planes]
    starts = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    entries = {
        256: (width,),
        257: (height,),
        BITS: (8 * levels.itemsize,) * samples,
        259: (1,),
        PHOTOMETRIC: (RGB if samples > 2 else GRAY,),
        273: tuple(starts),
        277: (samples,),
        278: (height,),
        279: tuple(map(len, strips)),
        PLANAR: (2 if separate else 1,),
        **(tags or {}),
    }
    at = 8 + sum(map(len, strips))
    after = at + 2 + 12 * len(entries) + 4
    table, extra = struct.pack(f"{order}H", len(entries)), b""
    for tag, values in sorted(entries.items()):
        kind, letter = (_LONG, "I") if tag in (273, 279, SUB_IFDS) else (_SHORT, "H")
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(packed) > 4:
            place = struct.pack(f"{order}I", after + len(extra))
            extra += packed
        else:
            place = packed.ljust(4, b"\0")
        table += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
    magic = b"II*\0" if order == "<" else b"MM\0*"
    header = magic + struct.pack(f"{order}I", at)
    return header + b"".join(strips) + table + bytes(4) + extra
