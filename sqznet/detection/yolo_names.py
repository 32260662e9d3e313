"""The names of the classes in YOLO's files of boxes, which have numbers.

A file ``classes.txt`` has a name a line; labelImg writes it. A ``data.yaml`` has them as ``names``
(Ultralytics, "Object Detection Datasets"), in one of three spellings:

    names: [cat, dog]          names:            names:
                                 - cat             0: cat
                                 - dog             1: dog

It is the nearest of these files that counts: beside the file of boxes or in a folder above, up to
the one above the folder that was named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from sqznet.detection.true_photo import read_text
from sqznet.errors import SqznetError, path_for_messages, shown

#: The file with a name a line.
CLASSES = "classes.txt"

_YAML = ("data.yaml", "data.yml")


class Names:
    """The names by the folder of a file of boxes. ``root``: the folder that was named; ``labels``:
    the names if no file says them."""

    def __init__(self, root: str, labels: Sequence[str]) -> None:
        self._highest, self._labels = os.path.dirname(os.path.abspath(root)), labels
        self._known: dict[str, Sequence[str]] = {}

    def of(self, folder: str) -> Sequence[str]:
        """Raises SqznetError, naming the file, if it cannot be read or has no names."""
        folder = os.path.abspath(folder)
        if folder not in self._known:
            self._known[folder] = self._read(folder)
        return self._known[folder]

    def _read(self, folder: str) -> Sequence[str]:
        path = os.path.join(folder, CLASSES)
        if os.path.isfile(path):
            return [line.strip() for line in _text(path).splitlines()]
        for path in (os.path.join(folder, name) for name in _YAML):
            if os.path.isfile(path):
                return _named(path)
        if os.path.join(self._highest, "").startswith(os.path.join(folder, "")):
            return self._labels
        return self.of(os.path.dirname(folder))


def _text(path: str) -> str:
    try:
        return read_text(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SqznetError(f"{path_for_messages(path)}: not UTF-8 text") from None


def _named(path: str) -> list[str]:
    """The ``names`` of a file of YAML's, of which only these few spellings are read."""
    lines = [re.sub(r"(^|\s)#.*", "", line).rstrip() for line in _text(path).splitlines()]
    start = next((i for i, line in enumerate(lines) if re.match(r"names\s*:", line)), None)
    if start is None:
        raise SqznetError(f"{path_for_messages(path)}: no names of classes, expected 'names:'")
    first = lines[start].partition(":")[2].strip()
    rest = [line.strip() for line in _indented(lines[start + 1 :])]
    value = " ".join([first, *rest]).strip()
    if first or (rest and rest[0].startswith("[")):
        listed = re.fullmatch(r"\[(.*)\]", value)
        names = listed and [_plain(name) for name in listed[1].split(",") if name.strip()]
    else:
        names = _each(rest)
    if not names or not all(names):
        raise SqznetError(
            f"{path_for_messages(path)}: names are {shown(value)}, expected a list of "
            "names, or a line such as '0: cat' for each"
        )
    return names


def _indented(lines: Sequence[str]) -> list[str]:
    """The lines of the value: those to the next key. A list may stand below its key unindented."""
    end = next((i for i, line in enumerate(lines) if re.match(r"[^\s\-\]]", line)), len(lines))
    return [line for line in lines[:end] if line.strip()]


def _each(lines: Sequence[str]) -> list[str] | None:
    """The names of lines such as "- cat", or "0: cat" in the order of their numbers."""
    items = [re.fullmatch(r"-\s+(.+)", line) for line in lines]
    if all(items):
        return [_plain(item[1]) for item in items if item]
    numbered = {}
    for line in lines:
        found = re.fullmatch(r"([0-9]{1,6})\s*:\s+(.+)", line)
        if found is None:
            return None
        numbered[int(found[1])] = _plain(found[2])
    return [numbered[i] for i in range(len(numbered))] if max(numbered) < len(numbered) else None


def _plain(name: str) -> str:
    name = name.strip()
    quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "'\""
    return name[1:-1] if quoted else name
