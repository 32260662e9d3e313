"""The index of a zip archive: every honest one is read, and none takes much time or memory."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from sqznet.errors import WeightsError
from sqznet.weights import archive

from ..support.weights_refusal import assert_refused

_ENTRY = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, *[0] * 14)
START = b"PK\3\4" + bytes(60)


def packed(names: dict[str, bytes], comment: bytes = b"", **options: int) -> memoryview:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as made:
        for name, data in names.items():
            made.writestr(name, data)
        made.comment = comment
    return memoryview(buffer.getvalue())


def end(count: int, size: int, start: int) -> bytes:
    return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, start, 0)


def end_64(count: int, size: int, start: int, at: int) -> bytes:
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    return record + locator + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def test_it_reads_what_zipfile_writes() -> None:
    data = {"a/b.npy": b"x" * 100, "a/data/0": b"", "naïve \u2603": b"yz", "d\u00e9": b"."}
    for comment in (b"", b"a comment of an archive", b"PK\5\6" + bytes(18) + b"!"):
        view = packed(data, comment)
        found = archive.entries(view)
        assert list(found) == list(data)
        assert {name: bytes(archive.stored(view, found[name], "")) for name in data} == data
    view = packed({"a": b"x" * 5000}, compression=zipfile.ZIP_DEFLATED)
    assert bytes(archive.expanded(view, archive.entries(view)["a"], 5000)) == b"x" * 5000


def test_large_archives_have_numbers_of_64_bits() -> None:
    plain = packed({"a": b"xyz"})
    start, size = plain.nbytes - 22 - 47, 47
    index = bytearray(plain[start : start + size])
    index[20:28] = b"\xff" * 8  # both sizes
    index[42:46] = b"\xff" * 4  # the offset
    extra = struct.pack("<2H", 0x4246, 2) + b"??" + struct.pack("<2H3Q", 1, 24, 3, 3, 0)
    index[30:32] = struct.pack("<H", len(extra))
    whole = bytes(plain[:start]) + bytes(index) + extra
    whole += end_64(1, len(index) + len(extra), start, len(whole))
    view = memoryview(whole)
    (entry,) = archive.entries(view).values()
    assert (entry.size, entry.stored_size, entry.offset) == (3, 3, 0)
    assert bytes(archive.stored(view, entry, "")) == b"xyz"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        # The standard library's reader takes 10 s and 290 MB for 50 MB of index.
        (START + _ENTRY * 200_000 + end_64(200_000, 9_200_000, 64, 64 + 9_200_000), "200000 ent"),
        (START + _ENTRY * 200_000 + end(3, 9_200_000, 64), "an index of 9200000 bytes, too many"),
        (START + _ENTRY * 80_000 + end(3, 3_680_000, 64), "the entry '' twice"),
        (START + _ENTRY + end(2, 46, 64), "has 1 entries, not 2"),
        (START + _ENTRY + end(1, 46, 60), "not an entry"),
        (START + _ENTRY + end(1, 460, 64), "cut short"),
        (START + _ENTRY[:28] + b"\xff\xff" + _ENTRY[30:] + end(1, 46, 64), "index is cut short"),
        (START + end(1, 46, 1 << 31), "cut short"),
        (START + _ENTRY + end_64(1, 46, 64, 7), "not where it says"),
        (START + _ENTRY + end_64(1, 46, 64, 1 << 60), "not where it says"),
        (START + _ENTRY + end_64(1 << 60, 46, 64, 110), "entries"),
        (START + _ENTRY + end_64(1, 46, 1 << 62, 110), "cut short"),
        (START + struct.pack("<4s4H2IH", b"PK\5\6", 1, 0, 1, 2, 0, 0, 0), "several parts"),
        (START, "no index at its end"),
        (START + end(1, 46, 64)[:-3], "no index at its end"),
    ],
)
def test_indices_that_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    assert_refused(tmp_path, content, match)


def test_an_entry_outside_the_file(tmp_path: Path) -> None:
    view = packed({"a": b"xyz"})
    far = archive.entries(view)["a"]._replace(offset=1 << 60)
    with pytest.raises(WeightsError, match="not where the archive's index says"):
        archive.stored(view, far, "")
