"""What is whole in the part file of a run that was killed in the middle of a record."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, BinaryIO


class Head(io.RawIOBase):
    """The first bytes of a file, for reading."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        file.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        start = (0, self._file.tell(), self._size)[whence]
        return self._file.seek(start + offset)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(0, self._size - self._file.tell())]
        data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)


def whole_size(file: BinaryIO, format_name: str) -> int:
    """The size in bytes of the whole records at the beginning of a part file; all of a file that
    does not begin as one of this format."""
    size, beginnings = _size(file), _BEGINNINGS[format_name]
    file.seek(0)
    begins = file.read(max(map(len, beginnings)))
    file.seek(0)
    known = any(begins[: len(one)] == one[: len(begins)] for one in beginnings)
    return _WHOLE[format_name](file, size) if known else size


def _csv(file: BinaryIO, size: int) -> int:
    """Up to the last photo. If each prediction has a row, its rows do not say how many there are,
    and the last one's may be incomplete."""
    end = start = 0
    row: list[bytes] = []
    has_ranks = True
    for line in io.BufferedReader(Head(file, size)):
        row.append(line)
        text = b"".join(row)
        if text.count(b'"') % 2 == 0 and text.endswith(b"\n"):
            second = _fields(text)[1:2]
            if not start:  # the header
                has_ranks, end = second == ["rank"], len(text)
            elif not has_ranks:
                end = start + len(text)
            elif second in ([""], ["1"]):
                end = start
            start += len(text)
            row = []
    return end


def _json_lines(file: BinaryIO, size: int) -> int:
    end = 0
    for line in io.BufferedReader(Head(file, size)):
        end += len(line) if line.endswith(b"\n") else 0
    return end


def _json(file: BinaryIO, size: int) -> int:
    """Up to the last object that is whole, without the comma after it."""
    end = _json_lines(file, size)
    file.seek(end)
    last = file.read()
    if _is_json(last):
        return end + len(last)
    file.seek(max(0, end - 2))
    return end - (2 if file.read(2) == b",\n" else 0)


def _parquet(file: BinaryIO, size: int) -> int:
    file.seek(max(0, size - 4))
    return size if size > 8 and file.read(4) == b"PAR1" else 0


_WHOLE = {"csv": _csv, "json": _json, "jsonl": _json_lines, "parquet": _parquet}
_BEGINNINGS = {
    "csv": (b"path,rank,", b"path,label_1,"),
    "json": (b"[\n",),
    "jsonl": (b'{"path": ',),
    "parquet": (b"PAR1",),
}


def _size(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)


def _fields(row: bytes) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(row.decode("utf-8", "replace"), newline="")), [])
    except csv.Error:
        return []


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
