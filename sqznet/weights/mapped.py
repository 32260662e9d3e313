"""Maps a file into memory, so that reading it needs no copy and no more than the file's size."""

from __future__ import annotations

import mmap
import os
import stat
from typing import NamedTuple

from sqznet.errors import WeightsError, printable, reason_of

#: Fifty times a SqueezeNet; hashing or searching more would take seconds.
MAX_BYTES = 1 << 28


class WeightsFile(NamedTuple):
    """A file to read weights from.

    path: for the file system.
    name: for messages.
    view: its mapped bytes: read-only, format "B".
    prefix: the name of the module to read if the file holds several networks; None for no choice.
    """

    path: str
    name: str
    view: memoryview
    prefix: str | None = None

    def beside(self, name: str) -> WeightsFile | None:
        """The file `name` in the same folder, or None if there is none.

        Raises WeightsError, naming that file, if it exists but cannot be read.
        """
        path = os.path.join(os.path.dirname(self.path), name)
        return open_file(path) if os.path.lexists(path) else None


class MappedFile(mmap.mmap):
    """The bytes of a file, mapped read-only, with a check whether they are still the same.

    Replacing or deleting the file changes nothing: the mapping keeps the old content.
    """

    _path: str
    _status: os.stat_result

    @classmethod
    def of(cls, path: str | os.PathLike[str], file: int, size: int) -> MappedFile:
        """Maps an open file with this path and size."""
        mapped = cls(file, size, access=mmap.ACCESS_READ)
        mapped._path = os.path.abspath(os.fsdecode(path))
        mapped._status = os.fstat(file)
        return mapped

    def was_written(self) -> bool:
        """Whether the file was written to or truncated since it was mapped."""
        if self.size() < len(self):
            return True
        try:
            now = os.stat(self._path)
        except OSError:
            return False
        then = self._status
        return os.path.samestat(now, then) and now.st_mtime_ns != then.st_mtime_ns


def open_file(path: str | os.PathLike[str]) -> WeightsFile:
    """Maps a file. Raises WeightsError, naming it, if that fails."""
    name = shown_path(path)
    try:
        return WeightsFile(os.fsdecode(path), name, map_file(path))
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}") from None


def shown_path(path: str | os.PathLike[str]) -> str:
    """The path for messages, on one line. Raises WeightsError if it is not a path."""
    try:
        return printable(os.fsdecode(path))
    except TypeError:
        raise WeightsError(
            f"expected the path of a weights file, found a {type(path).__name__}"
        ) from None


def map_file(path: str | os.PathLike[str]) -> memoryview:
    """The bytes of a regular file as a read-only view (format "B") of a mapping.

    The mapping lives as long as the view or any slice of it.
    Raises WeightsError if the file is missing, empty, unreadable, not a regular file, or larger
    than `MAX_BYTES`.
    """
    try:
        # Checked before it is opened: opening a pipe would wait for its other end.
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise WeightsError("is a directory, expected a weights file")
        if not stat.S_ISREG(mode):
            raise WeightsError("is not a regular file, expected a weights file")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise WeightsError("the file is empty")
            if size > MAX_BYTES:
                raise WeightsError(
                    f"has {size} bytes, far more than any SqueezeNet; expected {MAX_BYTES} at most"
                )
            return memoryview(MappedFile.of(path, file.fileno(), size))
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"cannot be read: {reason_of(error)}") from None
    except ValueError as error:  # a zero byte or an unencodable character in the name
        raise WeightsError(f"cannot be read: {error}") from None
