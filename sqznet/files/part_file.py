"""A file that is written beside its place, and takes it at once when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os


class PartFile:
    """Output for FILE, kept in FILE.part until ``commit``; what FILE was before stays till then.

    ``path``: the part file, to be written by the caller; ``target``: where it goes, a symbolic link
    followed. The part file stays behind only if the process is killed.
    Raises OSError if something of that name is there that is no regular file.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = os.path.realpath(target)
        if os.path.lexists(self.target) and not os.path.isfile(self.target):
            raise FileExistsError(
                errno.EEXIST, "something of that name is there, and no regular file"
            )
        self.path = f"{self.target}.part"

    def create(self) -> None:
        """Make the part file anew, empty."""
        self.discard()
        with open(self.path, "xb"):
            pass

    def commit(self) -> None:
        """Put the part file, which the caller has closed, in the target's place."""
        with open(self.path, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.target)

    def discard(self) -> None:
        """Remove the part file."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
