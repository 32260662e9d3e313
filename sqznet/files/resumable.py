"""A file that a later run continues if this one is stopped."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from io import FileIO

from sqznet.files.part_file import PartFile, move_into_place

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    flock = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)


class ResumableFile:
    """FILE.part, which replaces FILE when it is complete; until then an existing FILE stays.

    ``target``: FILE, with symbolic links resolved. ``path``: FILE.part. ``file``: FILE.part, open
    for reading and writing without a buffer, with what a stopped run left in it.
    As long as a process has it open, others are refused with BlockingIOError. Raises OSError if
    FILE or FILE.part is there and no regular file.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = PartFile(target).target
        self.path = f"{self.target}.part"
        self.file = _opened_alone(self.path)

    def commit(self) -> None:
        """Replaces FILE by FILE.part. Whoever wrote through a buffer has flushed it."""
        if flock is None:
            self.file.close()  # Windows renames no open file
        move_into_place(self.path, self.target)
        self.file.close()

    def discard(self) -> None:
        """Removes FILE.part. Ignores errors, because it cleans up after another one."""
        with suppress(OSError):
            os.unlink(self.path)
        with suppress(OSError):
            self.file.close()


def _opened_alone(path: str) -> FileIO:
    """Opens a regular file, created if needed, for this process alone."""
    flags = os.O_RDWR | os.O_CREAT
    for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):
        flags |= getattr(os, name, 0)
    while True:
        file = FileIO(os.open(path, flags, 0o666), "rb+")
        try:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileExistsError(errno.EEXIST, f"{path} is there, and no regular file")
            _lock(file.fileno())
            # The process that had it may have renamed or removed it meanwhile.
            with suppress(FileNotFoundError):
                if os.path.samestat(status, os.stat(path)):
                    return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(descriptor: int) -> None:
    """Locks a file until it is closed, where the system and the file system have such locks."""
    if flock is None:
        return
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(errno.EAGAIN, "another process is writing it") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
