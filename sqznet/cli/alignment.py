"""Columns of text on a terminal, where some characters take two places and some none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence


def width_of(text: str) -> int:
    """The places that a text takes: two for each wide character (East Asian Width W and F of
    Unicode's Standard Annex 11), none for marks above or below another character."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    seen = (character for character in text if category(character) not in ("Mn", "Me"))
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in seen)


def padded(text: str, width: int, right: bool = False) -> str:
    """The text with the spaces that it needs for this width, before it if ``right``."""
    spaces = " " * (width - width_of(text))
    return spaces + text if right else text + spaces


def aligned(rows: Sequence[Sequence[str]], left: Collection[int]) -> Iterator[str]:
    """A line for each row of a table; the cells of columns in ``left`` begin together, those of
    others end together."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            padded(cell, width, right=i not in left)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
