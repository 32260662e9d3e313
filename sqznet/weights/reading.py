"""Reads weights files.

A file is read as a whole into memory and not mapped. A mapped file that another program truncates
ends the process by SIGBUS at the next access, and one that is written to changes weights in use.
"""

from __future__ import annotations

import os
import stat

from sqznet.errors import WeightsError, printable, reason_of

#: Fifty times a SqueezeNet; hashing or searching more would take seconds.
MAX_BYTES = 1 << 28


class WeightsFile:
    """A file to read weights from.

    path: for the file system.
    name: for messages.
    view: its bytes: read-only, format "B".
    prefix: the name of the module to read if the file holds several networks; None for no choice.
    """

    def __init__(self, path: str, name: str, view: memoryview, prefix: str | None = None) -> None:
        self.path = path
        self.name = name
        self.view = view
        self.prefix = prefix

    def beside(self, name: str) -> WeightsFile | None:
        """The file `name` in the same folder, or None if there is none.

        Raises WeightsError, naming that file, if it exists but cannot be read.
        """
        path = os.path.join(os.path.dirname(self.path), name)
        return open_file(path) if os.path.lexists(path) else None


def open_file(path: str | os.PathLike[str], prefix: str | None = None) -> WeightsFile:
    """Reads a file. Raises WeightsError, naming it, if that fails."""
    name = shown_path(path)
    try:
        return WeightsFile(os.fsdecode(path), name, read_file(path), prefix)
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


def read_file(path: str | os.PathLike[str], count: int = -1) -> memoryview:
    """The bytes of a regular file as a read-only view (format "B").

    ``count``: how many from the beginning; default: all.
    Raises WeightsError if it is no path or if the file is missing, empty, unreadable, not a regular
    file, larger than `MAX_BYTES`, or written to while it is read.
    """
    shown_path(path)  # a number would be an open file of the caller, and be closed here
    try:
        # Checked before it is opened: opening a pipe would wait for its other end.
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            from sqznet.weights import foreign  # not needed for weights

            kind = foreign.kind_of_folder(path) or "is a directory"
            raise WeightsError(f"{kind}; expected a weights file")
        if not stat.S_ISREG(mode):
            raise WeightsError("is not a regular file, expected a weights file")
        with open(path, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            if before.st_size == 0:
                raise WeightsError("the file is empty")
            if before.st_size > MAX_BYTES:
                raise WeightsError(
                    f"has {before.st_size} bytes, far more than any SqueezeNet; "
                    f"expected {MAX_BYTES} at most"
                )
            content = file.read(count)
            after = os.fstat(file.fileno())
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"cannot be read: {reason_of(error)}") from None
    except ValueError as error:  # a zero byte or an unencodable character in the name
        raise WeightsError(f"cannot be read: {error}") from None
    states = [(state.st_size, state.st_mtime_ns) for state in (before, after)]
    expected = before.st_size if count < 0 else min(count, before.st_size)
    if states[0] != states[1] or len(content) != expected:
        raise WeightsError("was written to while it was read: load it again once it is complete")
    return memoryview(content)
