"""Strategies that damage a file. The damage is small enough to read if it makes a test fail."""

from __future__ import annotations

import re
from functools import reduce

from hypothesis import strategies as st

# Limits of sizes, counts and positions, in the encodings of all formats.
_HOSTILE = (
    bytes(4),
    bytes(8),
    b"\xff" * 4,
    b"\xff" * 8,
    b"\xff\xff\xff\x7f",
    b"\x01",
    b"\x80" * 9,
    b"\xff" * 9 + b"\x01",
    b"-1",
    b"99999999999999999999",
    b"nan",
    b" ",
    b"\n",
    b"}",
)
_AROUND = 12
_ENDS = 128

#: (operation, position, number of bytes, new bytes, other position)
Edit = tuple[str, int, int, bytes, int]


def edits(content: bytes) -> st.SearchStrategy[list[Edit]]:
    """One to three changes to this content, most of them to its structure."""
    where = st.one_of(st.sampled_from(_structure(content)), st.integers(0, len(content)))
    kinds = st.sampled_from(["cut", "flip", "overwrite", "insert", "remove", "copy", "move"])
    some = st.one_of(st.sampled_from(_HOSTILE), st.binary(min_size=1, max_size=8))
    count = st.sampled_from([1, 2, 4, 8, 30, 200])
    return st.lists(st.tuples(kinds, where, count, some, where), min_size=1, max_size=3)


def damaged(content: bytes, changes: list[Edit]) -> bytes:
    """The content after these changes, applied in order."""
    return reduce(_changed, changes, content)


def _changed(content: bytes, edit: Edit) -> bytes:
    kind, at, count, some, to = edit
    before, block, after = content[:at], content[at : at + count], content[at + count :]
    if kind == "cut":
        return before
    if kind == "flip":
        return before + bytes(byte ^ 1 << to % 8 for byte in block[:1]) + content[at + 1 :]
    if kind == "overwrite":
        return before + some + content[at + len(some) :]
    if kind == "insert":
        return before + some + content[at:]
    rest = content if kind == "copy" else before + after
    return rest if kind == "remove" else rest[:to] + block + rest[to:]


def _structure(content: bytes) -> list[int]:
    """Positions outside the numbers: both ends, and near all text."""
    kept = {*range(_ENDS), *range(len(content) - _ENDS, len(content) + 1)}
    for text in re.finditer(rb"[\w./:' -]{4,}", content):
        kept.update(range(text.start() - _AROUND, text.end() + _AROUND))
    return [position for position in sorted(kept) if 0 <= position <= len(content)]
