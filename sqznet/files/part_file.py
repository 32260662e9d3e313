"""The one way in which sqznet writes files: beside their place, which they take at once when they
are complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class PartFile:
    """What is to become the file ``target``; what that was before stays until ``commit``.

    ``path``: the part file, in the same folder, to be written by the caller; ``target``: where it
    goes, a symbolic link followed. The part file stays behind only if the process is killed.
    ``resumable``: it is then called FILE.part, where a later run finds it; by default no two part
    files have the same name.
    Raises OSError if something of the target's name is there that is no regular file.
    """

    def __init__(self, target: str | os.PathLike[str], resumable: bool = False) -> None:
        self.target = os.path.realpath(os.fsdecode(target))
        if os.path.lexists(self.target) and not os.path.isfile(self.target):
            raise FileExistsError(
                errno.EEXIST, "something of that name is there, and no regular file"
            )
        if resumable:
            self.path = f"{self.target}.part"
        else:
            name = f".sqznet-{os.urandom(8).hex()}.part"
            self.path = os.path.join(os.path.dirname(self.target), name)

    def create(self) -> None:
        """Make the part file anew, empty."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        with open(self.path, "xb"):
            pass

    def commit(self) -> None:
        """Put the part file, which the caller has closed, in the target's place."""
        move_into_place(self.path, self.target)

    def discard(self) -> None:
        """Remove the part file; nothing is said if it cannot be, for something else went wrong."""
        with suppress(OSError):
            os.unlink(self.path)


@contextmanager
def written(target: str | os.PathLike[str]) -> Iterator[str]:
    """The path of an empty file, which becomes ``target`` when the block is done.

    Raises OSError if that cannot be; then, and if the block raises, what was there is still there.
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
    """Make this the content of a file, all of it or, if that fails, nothing.

    Raises OSError if it cannot be written; what was there before is then still there.
    """
    with written(target) as path, open(path, "wb") as file:
        file.write(content)


def move_into_place(path: str, target: str) -> None:
    """Put a file that is closed in another's place, once all of it is on the disk.

    Both lie in one folder. A symbolic link that is in that place is replaced itself.
    """
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(path, target)
