"""The partitions of a run: which photos each result file holds.

They are decided once and stored beside the results, so a partition means the same photos in every
run that continues the folder: one that was written by a node that counted as lost, or twice, is the
same file.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqznet.errors import SqznetError, path_for_messages, shown
from sqznet.files.parquet import parquet_library
from sqznet.ray.storage import Folder

#: The file of the photos' list; readers of Parquet folders pass over names that begin so.
LIST = "_photos.parquet"
_KEY = b"sqznet"
_PART = re.compile(r"part-(\d{6,})\.parquet")

# Photos of a partition, unless the user says otherwise: so few that the last ones keep no core
# waiting for long (docs/scale.md), and so many that starting one costs little.
_LEAST, _MOST, _TURNS = 100, 5000, 16


def file_name(number: int) -> str:
    return f"part-{number:06}.parquet"


def sensible_size(photos: int, cores: int) -> int:
    """Photos of a partition, so that each core has some `_TURNS` of them to do."""
    return min(_MOST, max(_LEAST, photos // (_TURNS * max(1, cores))))


class Partitions:
    """The photos of a folder of results, by partition; and which ones are complete.

    ``settings``: what decides the results, as JSON can hold it. With ``resume`` the folder's list
    is continued, if it has one; otherwise the folder must be empty.
    Raises SqznetError for a folder that holds something else or results with other settings.
    """

    def __init__(self, folder: Folder, settings: Mapping[str, Any], resume: bool) -> None:
        self._folder, self._settings = folder, dict(settings)
        self._paths: list[str] = []
        self._numbers: list[int] = []
        names = folder.names()
        if LIST in names:
            if not resume:
                raise SqznetError(
                    f"{path_for_messages(folder.name)}: holds results: --resume continues them, or "
                    "name another folder"
                )
            self._read()
        elif names:
            raise SqznetError(
                f"{path_for_messages(folder.name)}: holds other files, such as "
                f"{shown(min(names))}: name an empty folder, or one that does not exist"
            )
        found = (_PART.fullmatch(name) for name in names)
        self._complete = {int(match[1]) for match in found if match}

    def add(self, photos: Sequence[str], size: int) -> int:
        """Adds the photos that are not in the list, in new partitions of ``size`` photos, and
        stores the list. Returns how many were added."""
        known = Counter(self._paths)
        new = []
        for path in photos:
            if known[path]:
                known[path] -= 1
            else:
                new.append(path)
        first = self._numbers[-1] + 1 if self._numbers else 0
        self._paths += new
        self._numbers += [first + i // size for i in range(len(new))]
        if new:
            self._folder.write(LIST, self._encoded())
        return len(new)

    @property
    def count(self) -> int:
        """How many there are."""
        return self._numbers[-1] + 1 if self._numbers else 0

    @property
    def complete(self) -> int:
        """How many of them were complete when the run began."""
        return len(self._complete & set(self._numbers))

    def left(self) -> Iterator[tuple[int, list[str]]]:
        """The numbers and photos of those that are not complete."""
        pairs = zip(self._numbers, self._paths, strict=True)
        for number, group in groupby(pairs, key=lambda pair: pair[0]):
            if number not in self._complete:
                yield number, [path for _, path in group]

    def _encoded(self) -> bytes:
        pa = parquet_library()
        # Bytes, since names of files need not be text.
        paths = pa.array([os.fsencode(path) for path in self._paths], pa.binary())
        table = pa.table({"path": paths, "partition": pa.array(self._numbers, pa.int32())})
        stated = {_KEY: json.dumps(self._settings)}
        sink = pa.BufferOutputStream()
        pa.parquet.write_table(table.replace_schema_metadata(stated), sink)
        return bytes(sink.getvalue())

    def _read(self) -> None:
        pa = parquet_library()
        name = path_for_messages(f"{self._folder.name}/{LIST}")
        try:
            table = pa.parquet.read_table(pa.BufferReader(self._folder.read(LIST)))
            stored = json.loads((table.schema.metadata or {})[_KEY])
            paths = table.column("path").to_pylist()
            self._numbers = [int(number) for number in table.column("partition").to_pylist()]
            self._paths = [os.fsdecode(path) for path in paths]
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, SqznetError):
                raise
            raise SqznetError(
                f"{name}: is damaged or of another program, expected the list of photos that this "
                "command writes: name another folder"
            ) from None
        for key, value in self._settings.items():
            if stored.get(key) != value:
                raise SqznetError(
                    f"{path_for_messages(self._folder.name)}: holds results with {key} "
                    f"{shown(stored.get(key))}, this run has {shown(value)}: take the same, or "
                    "name another folder"
                )
