"""Reads zip archives from bytes; torch's and NumPy's files are zip archives.

The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. The standard library's
reader builds its whole index before anyone can look at the size of it.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from sqznet.errors import WeightsError, shown

#: The start of a non-empty archive.
ZIP_MAGIC = b"PK\x03\x04"

_LOCAL_HEADER = 30  # bytes of an entry's local header, before its name and its extra field
_MAX_ENTRIES = 10_000
_MAX_INDEX = 4 << 20

# The records of an index, in the order of the format's fields; little-endian.
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_INDEX_ENTRY = struct.Struct("<4s6H3I5H2I")
_EXTRA = struct.Struct("<2H")
_END_MAGIC, _END_64_MAGIC, _LOCATOR_MAGIC = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_INDEX_MAGIC = b"PK\1\2"
_ZIP_64 = 1  # the kind of an extra field
_IS_UTF_8 = 0x800
_MAX_COMMENT = 0xFFFF

#: Ways of compression: none, and deflate.
STORED, _DEFLATED = 0, 8

# Deflated bytes cannot expand further (https://zlib.net/zlib_tech.html).
_MAX_EXPANSION = 1032


def first_name(view: memoryview) -> bytes:
    """The name of the first entry if the bytes begin with one, else b""."""
    if bytes(view[:4]) != ZIP_MAGIC:
        return b""
    length = int.from_bytes(view[26:28], "little")
    return bytes(view[_LOCAL_HEADER : _LOCAL_HEADER + length])


class Entry(NamedTuple):
    """What the index of an archive says of one entry. sizes in bytes; crc: 0 for no checksum."""

    name: str
    is_encrypted: bool
    compression: int
    crc: int
    stored_size: int
    size: int
    offset: int


def entries(view: memoryview) -> dict[str, Entry]:
    """Every entry by its name; `view` is that of a whole file.

    The index is read only if it is small enough, whatever it says of itself, so that this takes
    little time and memory for any file.
    Raises WeightsError if the index is damaged, or has an entry twice or outside the archive.
    """
    start, size, count = _place_of_index(view)
    if count > _MAX_ENTRIES or size > _MAX_INDEX:
        raise WeightsError(
            f"its archive has {count} entries in an index of {size} bytes, too many for a "
            "SqueezeNet; save the weights alone, with torch.save(model.state_dict(), path)"
        )
    by_name: dict[str, Entry] = {}
    at, end = start, start + size
    while at < end:
        entry, at = _entry(view[:end], at)
        name = entry.name
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise WeightsError(f"its archive has an entry {shown(name)} that points outside it")
        if name in by_name:
            raise WeightsError(f"its archive has the entry {shown(name)} twice")
        by_name[name] = entry
    if len(by_name) != count:
        raise WeightsError(
            f"a damaged zip archive: its index has {len(by_name)} entries, not {count}"
        )
    return by_name


def _place_of_index(view: memoryview) -> tuple[int, int, int]:
    """Start and size in bytes of the index, and the number of its entries, from the record at the
    end of the archive, which a comment may follow."""
    tail = bytes(view[-(_END.size + _MAX_COMMENT) :])
    at = tail.rfind(_END_MAGIC, 0, len(tail) - _END.size + len(_END_MAGIC))
    # A comment may hold the record's first bytes, too, but not with the length of a comment.
    while at >= 0 and _END.unpack_from(tail, at)[-1] != len(tail) - at - _END.size:
        at = tail.rfind(_END_MAGIC, 0, at)
    if at < 0:
        raise WeightsError("a damaged zip archive, or one cut short (it has no index at its end)")
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(tail, at)
    end = view.nbytes - len(tail) + at
    if 0xFFFF in (here, count) or 0xFFFFFFFF in (size, start):
        place = end - _LOCATOR.size
        if place >= 0 and bytes(view[place : place + 4]) == _LOCATOR_MAGIC:
            _, disk, end, _ = _LOCATOR.unpack_from(view, place)
            if end > place - _END_64.size or bytes(view[end : end + 4]) != _END_64_MAGIC:
                raise WeightsError("a damaged zip archive (its last record is not where it says)")
            _, _, _, _, disk, first_disk, here, count, size, start = _END_64.unpack_from(view, end)
    if disk or first_disk or here != count:
        raise WeightsError("a zip archive in several parts; expected one file")
    if start + size > end:
        raise WeightsError(
            f"a damaged zip archive, or one cut short (an index of {size} bytes at byte {start}, "
            f"of {view.nbytes} bytes)"
        )
    return start, size, count


def _entry(index: memoryview, at: int) -> tuple[Entry, int]:
    """The entry of the index at this byte, and where the next one begins."""
    head = index[at : at + _INDEX_ENTRY.size]
    if head.nbytes < _INDEX_ENTRY.size or bytes(head[:4]) != _INDEX_MAGIC:
        raise WeightsError("a damaged zip archive (its index has something that is not an entry)")
    fields = _INDEX_ENTRY.unpack(head)
    _, _, _, flags, compression, _, _, crc, stored_size, size, *lengths, _, _, _, offset = fields
    begin = at + _INDEX_ENTRY.size
    name_end, extra_end = begin + lengths[0], begin + lengths[0] + lengths[1]
    end = extra_end + lengths[2]
    if end > index.nbytes:
        raise WeightsError("a damaged zip archive (its index is cut short)")
    encoding = "utf-8" if flags & _IS_UTF_8 else "cp437"
    name = str(index[begin:name_end], encoding, "backslashreplace").split("\0")[0]
    wide = iter(_wide_numbers(index[name_end:extra_end]))
    size, stored_size, offset = (
        next(wide, number) if number == 0xFFFFFFFF else number
        for number in (size, stored_size, offset)
    )
    return Entry(name, bool(flags & 1), compression, crc, stored_size, size, offset), end


def _wide_numbers(extra: memoryview) -> tuple[int, ...]:
    """The 64-bit numbers in an entry's extra field, in place of those of 32 bits."""
    while extra.nbytes >= _EXTRA.size:
        kind, length = _EXTRA.unpack_from(extra)
        body = extra[_EXTRA.size : _EXTRA.size + length]
        if kind == _ZIP_64:
            return struct.unpack(f"<{body.nbytes // 8}Q", body[: body.nbytes // 8 * 8])
        extra = extra[_EXTRA.size + length :]
    return ()


def stored(view: memoryview, entry: Entry, advice: str) -> memoryview:
    """The bytes of an uncompressed entry, as a view of the mapping.

    Raises WeightsError if it is compressed, with `advice`, or does not match its checksum.
    """
    if entry.compression != STORED:
        raise WeightsError(f"its entry {shown(entry.name)} is compressed; {advice}")
    data = _as_stored(view, entry)
    if data.nbytes != entry.size:
        raise WeightsError(
            f"its entry {shown(entry.name)} should have {entry.size} bytes, found {data.nbytes}"
        )
    _check_sum(entry, data)
    return data


def expanded(view: memoryview, entry: Entry, limit: int) -> memoryview:
    """The bytes of a deflated entry: a copy of the stated size, which is at most `limit` bytes.

    Raises WeightsError if it is longer or shorter than stated or does not match its checksum.
    """
    name = shown(entry.name)
    if entry.compression != _DEFLATED:
        raise WeightsError(f"its entry {name} is compressed in a way other than deflate")
    data = _as_stored(view, entry)
    if entry.size > min(limit, data.nbytes * _MAX_EXPANSION):
        raise WeightsError(
            f"its entry {name} of {data.nbytes} bytes would expand to {entry.size}, "
            "far too much for a SqueezeNet"
        )
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than stated, to detect longer data; for zlib, 0 means no limit.
        result = inflater.decompress(data, entry.size + 1)
    except zlib.error as error:
        raise WeightsError(f"its entry {name} is damaged ({error})") from None
    if len(result) != entry.size or not inflater.eof:
        raise WeightsError(f"its entry {name} does not expand to {entry.size} bytes")
    expanded = memoryview(result)
    _check_sum(entry, expanded)
    return expanded


def content(view: memoryview, entry: Entry, limit: int) -> memoryview:
    """The bytes of an entry, deflated or not; a copy, of at most `limit` bytes, if deflated."""
    if entry.compression == STORED:
        return stored(view, entry, "")
    return expanded(view, entry, limit)


def _as_stored(view: memoryview, entry: Entry) -> memoryview:
    """An entry's bytes as stored in the file; fewer if the file ends earlier."""
    name = shown(entry.name)
    if entry.is_encrypted:
        raise WeightsError(f"its entry {name} is encrypted")
    header = view[entry.offset : entry.offset + _LOCAL_HEADER]
    if header.nbytes < _LOCAL_HEADER or bytes(header[:4]) != ZIP_MAGIC:
        raise WeightsError(f"its entry {name} is not where the archive's index says")
    begin = (
        entry.offset
        + _LOCAL_HEADER
        + int.from_bytes(header[26:28], "little")  # of the name
        + int.from_bytes(header[28:30], "little")  # of the extra field
    )
    return view[begin : begin + entry.stored_size]


def _check_sum(entry: Entry, data: memoryview) -> None:
    # Zero means none: torch.serialization.set_crc32_options(False) omits checksums.
    if entry.crc and zlib.crc32(data) != entry.crc:
        raise WeightsError(f"its entry {shown(entry.name)} is damaged: the checksum does not match")
