"""Writes files: each as a temporary file beside its target, which it replaces when complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqznet.files.paths import expanded


class PartFile:
    """A temporary file that replaces ``target`` on ``commit``; an existing target stays until then.

    ``path``: the temporary file, in the folder of the target; the caller writes it. Its name is
    unique, so of two processes with one target the last to commit wins, whole. ``target``: the
    final path, with symbolic links resolved. Only a killed process leaves a temporary file behind.
    Raises OSError if the target exists and is not a regular file.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = os.path.realpath(expanded(target))
        if os.path.lexists(self.target) and not os.path.isfile(self.target):
            raise FileExistsError(
                errno.EEXIST, "something of that name is there, and no regular file"
            )
        name = f".sqznet-{os.urandom(8).hex()}.part"
        self.path = os.path.join(os.path.dirname(self.target), name)

    def create(self) -> None:
        """Creates an empty temporary file."""
        with open(self.path, "xb"):
            pass

    def commit(self) -> None:
        """Replaces the target with the temporary file, which must be closed."""
        move_into_place(self.path, self.target)

    def discard(self) -> None:
        """Removes the temporary file. Ignores errors, because it cleans up after another one."""
        with suppress(OSError):
            os.unlink(self.path)


@contextmanager
def written(target: str | os.PathLike[str]) -> Iterator[str]:
    """Gives the path of an empty temporary file, which replaces ``target`` after the block.

    Raises OSError on failure. Then, and if the block raises, an existing target stays unchanged.
    """
    part = PartFile(target)
    try:
        part.create()
        yield part.path
        part.commit()
    except BaseException:
        part.discard()
        raise


def write_file(target: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file completely or not at all.

    Raises OSError if it cannot be written; then an existing file stays unchanged.
    """
    with written(target) as path, open(path, "wb") as file:
        file.write(content)


def is_same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths name the same existing file: writing one would replace the other."""
    try:
        return os.path.samefile(one, other)
    except (OSError, TypeError, ValueError):  # one of them does not exist or is not a valid path
        return False


def move_into_place(path: str, target: str) -> None:
    """Flushes a closed file to the disk and renames it to ``target``, in the same folder.

    A symbolic link at ``target`` is replaced, not followed.
    """
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(path, target)
