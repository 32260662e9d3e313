"""Counts what a search for photos passes over, so that it can say so."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator

from sqznet.errors import printable

# How many kinds, or names, are listed.
_LISTED = 6

_SPECIAL = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class PassedOver:
    """What is passed over in one folder or by one pattern.

    outputs: absolute paths of files that are not worth a word.
    """

    def __init__(self, outputs: Collection[str] = ()) -> None:
        self._seen = set(outputs)
        self._kinds: Counter[str] = Counter()
        self._special: list[str] = []
        self._links: list[str] = []

    def is_photo(self, path: str, wanted: bool) -> bool:
        """Whether a path that was found is a photo; counts it otherwise, and opens nothing.

        ``wanted``: whether a file of this name is one. So is a link that leads nowhere: reading it
        gives the error.
        """
        try:
            mode = os.stat(path).st_mode
        except OSError:
            mode = stat.S_IFREG
        special = next((what for is_one, what in _SPECIAL if is_one(mode)), None)
        if wanted and special is None:
            return True
        if self._is_new(path):
            if special is not None:
                self._special.append(f"{printable(os.path.basename(path))}, {special}")
            else:
                self._kinds[os.path.splitext(path)[1].lower() or "without a suffix"] += 1
        return False

    def link(self, path: str) -> None:
        """Counts a link to a folder."""
        if self._is_new(path):
            self._links.append(printable(os.path.basename(path)))

    def lines(self) -> Iterator[str]:
        """A line for each kind of thing that was counted."""
        if count := self._kinds.total():
            listed = [f"{printable(kind, 20)} {n}" for kind, n in self._kinds.most_common()]
            what = _number(count, "file of another kind", "files of other kinds")
            yield f"{what} passed over ({_some(listed, ', ')})"
        if special := self._special:
            what = _number(len(special), "special file", "special files")
            yield f"{what} passed over ({_some(special, '; ')})"
        if links := self._links:
            what = _number(len(links), "link to a folder", "links to folders")
            yield f"{what} not followed ({_some(links, ', ')})"

    def _is_new(self, path: str) -> bool:
        full = os.path.abspath(path)
        is_new = full not in self._seen
        self._seen.add(full)
        return is_new


def _number(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _some(items: list[str], between: str) -> str:
    more = [f"and {len(items) - _LISTED} more"] if len(items) > _LISTED else []
    return between.join(items[:_LISTED] + more)
