"""Writes small .npz files, as NumPy does or by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = Any

HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
VALUES = np.arange(6, dtype="<f4").reshape(2, 3)


def small() -> dict[str, Array]:
    return {
        "features.0.weight": VALUES.copy(),
        "classifier.1.bias": np.array([1, -2, 0.125], "<f2"),
        "__metadata__": np.array('{"variant":"squeezenet1_1"}'),
    }


def saved(arrays: Mapping[str, Array], save: Callable[..., None] = np.savez) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def array_bytes(
    header: str | bytes = HEADER, data: bytes = VALUES.tobytes(), version: int = 1
) -> bytes:
    text = header.encode() if isinstance(header, str) else header
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def archive(entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target:
        for name, data in entries.items():
            target.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()
