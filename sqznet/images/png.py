"""PNG files whose metadata is damaged or larger than Pillow accepts."""

from __future__ import annotations

from zlib import crc32

MAGIC = b"\x89PNG\r\n\x1a\n"

# A chunk is its length (4 bytes), its type (4), its content, and a CRC (4) of type and content:
# PNG specification (third edition), 5.3. Bit 5 of the type's first byte is set in ancillary ones,
# which a decoder may ignore (5.4).
_AROUND = 12
_IS_ANCILLARY = 0x20


def without_metadata(data: bytes) -> bytes | None:
    """The same file with only the chunks that pixels and orientation need; None if it has no other.

    The pixels stay the same: transparency is dropped anyway, and of an animation the default image
    remains.
    """
    view, kept, at = memoryview(data), [MAGIC], len(MAGIC)
    while at < len(data):
        kind = data[at + 4 : at + 8]
        end = at + _AROUND + int.from_bytes(data[at : at + 4], "big")
        is_ancillary = len(kind) == 4 and kind[0] & _IS_ANCILLARY
        if not is_ancillary or (kind == b"eXIf" and _is_sound(view[at:end])):
            kept.append(bytes(view[at:end]))
        at = end
    result = b"".join(kept)
    return None if len(result) == len(data) else result


def _is_sound(chunk: memoryview) -> bool:
    length = int.from_bytes(chunk[:4], "big")
    stated = int.from_bytes(chunk[-4:], "big")
    return len(chunk) == length + _AROUND and crc32(chunk[4:-4]) == stated
