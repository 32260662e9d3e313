"""Writes zip archives like torch and NumPy: without compression."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

# torch's alignment, which allows tensors to be used in place in a mapped file.
_ALIGNMENT = 64

_LOCAL_HEADER = 30
_FIELD_HEADER = 4
_PADDING_FIELD = b"FB"  # the extra field that torch pads with


def pack(entries: Mapping[str, bytes]) -> bytes:
    """A zip archive of these entries; the data of each begin at a multiple of 64 bytes.

    Names are ASCII. No time is stored, so that the same entries give the same bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name)
            begin = buffer.tell() + _LOCAL_HEADER + len(name) + _FIELD_HEADER
            padding = -begin % _ALIGNMENT
            entry.extra = _PADDING_FIELD + padding.to_bytes(2, "little") + bytes(padding)
            archive.writestr(entry, data)
    return buffer.getvalue()
