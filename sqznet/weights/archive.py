"""Reads zip archives from mapped bytes; torch's and NumPy's files are zip archives."""

from __future__ import annotations

import zipfile
import zlib
from typing import IO, cast

from sqznet.errors import WeightsError, shown

#: The start of a non-empty archive.
ZIP_MAGIC = b"PK\x03\x04"

_LOCAL_HEADER = 30  # bytes of an entry's local header, before its name and its extra field
_MAX_ENTRIES = 10_000

# Deflated bytes cannot expand further (https://zlib.net/zlib_tech.html).
_MAX_EXPANSION = 1032


def first_name(view: memoryview) -> bytes:
    """The name of the first entry if the bytes begin with one, else b""."""
    if bytes(view[:4]) != ZIP_MAGIC:
        return b""
    length = int.from_bytes(view[26:28], "little")
    return bytes(view[_LOCAL_HEADER : _LOCAL_HEADER + length])


def entries(view: memoryview) -> dict[str, zipfile.ZipInfo]:
    """Every entry by its name; `view` is that of a whole mapped file.

    Raises WeightsError if the index is damaged, or has an entry twice or outside the archive.
    """
    try:
        # A mapping supports reading and seeking like a file.
        with zipfile.ZipFile(cast("IO[bytes]", view.obj)) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
        raise WeightsError(f"a damaged zip archive, or one cut short ({error})") from None
    if len(listed) > _MAX_ENTRIES:
        raise WeightsError(f"its archive has {len(listed)} entries, too many for a SqueezeNet")
    by_name: dict[str, zipfile.ZipInfo] = {}
    for entry in listed:
        name = entry.filename
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise WeightsError(f"its archive has an entry {shown(name)} that points outside it")
        if name in by_name:
            raise WeightsError(f"its archive has the entry {shown(name)} twice")
        by_name[name] = entry
    return by_name


def stored(view: memoryview, entry: zipfile.ZipInfo, advice: str) -> memoryview:
    """The bytes of an uncompressed entry, as a view of the mapping.

    Raises WeightsError if it is compressed, with `advice`, or does not match its checksum.
    """
    if entry.compress_type != zipfile.ZIP_STORED:
        raise WeightsError(f"its entry {shown(entry.filename)} is compressed; {advice}")
    data = _as_stored(view, entry)
    if data.nbytes != entry.file_size:
        raise WeightsError(
            f"its entry {shown(entry.filename)} should have {entry.file_size} bytes, "
            f"found {data.nbytes}"
        )
    _check_sum(entry, data)
    return data


def expanded(view: memoryview, entry: zipfile.ZipInfo, limit: int) -> memoryview:
    """The bytes of a deflated entry: a copy of the stated size, which is at most `limit` bytes.

    Raises WeightsError if it is longer or shorter than stated or does not match its checksum.
    """
    name = shown(entry.filename)
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        raise WeightsError(f"its entry {name} is compressed in a way other than deflate")
    data = _as_stored(view, entry)
    if entry.file_size > min(limit, data.nbytes * _MAX_EXPANSION):
        raise WeightsError(
            f"its entry {name} of {data.nbytes} bytes would expand to {entry.file_size}, "
            "far too much for a SqueezeNet"
        )
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than stated, to detect longer data; for zlib, 0 means no limit.
        result = inflater.decompress(data, entry.file_size + 1)
    except zlib.error as error:
        raise WeightsError(f"its entry {name} is damaged ({error})") from None
    if len(result) != entry.file_size or not inflater.eof:
        raise WeightsError(f"its entry {name} does not expand to {entry.file_size} bytes")
    expanded = memoryview(result)
    _check_sum(entry, expanded)
    return expanded


def content(view: memoryview, entry: zipfile.ZipInfo, limit: int) -> memoryview:
    """The bytes of an entry, deflated or not; a copy, of at most `limit` bytes, if deflated."""
    if entry.compress_type == zipfile.ZIP_STORED:
        return stored(view, entry, "")
    return expanded(view, entry, limit)


def _as_stored(view: memoryview, entry: zipfile.ZipInfo) -> memoryview:
    """An entry's bytes as stored in the file; fewer if the file ends earlier."""
    name = shown(entry.filename)
    if entry.flag_bits & 1:
        raise WeightsError(f"its entry {name} is encrypted")
    header = view[entry.header_offset : entry.header_offset + _LOCAL_HEADER]
    if header.nbytes < _LOCAL_HEADER or bytes(header[:4]) != ZIP_MAGIC:
        raise WeightsError(f"its entry {name} is not where the archive's index says")
    begin = (
        entry.header_offset
        + _LOCAL_HEADER
        + int.from_bytes(header[26:28], "little")  # of the name
        + int.from_bytes(header[28:30], "little")  # of the extra field
    )
    return view[begin : begin + entry.compress_size]


def _check_sum(entry: zipfile.ZipInfo, data: memoryview) -> None:
    # Zero means none: torch.serialization.set_crc32_options(False) omits checksums.
    if entry.CRC and zlib.crc32(data) != entry.CRC:
        raise WeightsError(
            f"its entry {shown(entry.filename)} is damaged: the checksum does not match"
        )
