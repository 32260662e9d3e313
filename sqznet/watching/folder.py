"""Watches a folder: each new image file, once it is complete."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Generator
from typing import NamedTuple

from sqznet.errors import ImageError, SqznetError, printable, reason_of
from sqznet.images.decoding import decode
from sqznet.images.finding import has_photo_suffix, natural
from sqznet.images.frame import Frame
from sqznet.watching.shot import Notice, Shot, now

# Seconds between two scans. A file is complete if its size and time are the same in both.
POLL = 0.5


class _Version(NamedTuple):
    """Tells apart two states of a file that is still written, or written again."""

    changed: int
    size: int


class FolderSource:
    """The images written to a folder from now on, in the order of their modification times.

    Existing files are ignored unless they are written again. Files that are not images, and files
    that vanish before they are read, are ignored too. A damaged image causes one notice, and so
    does a FIFO, a socket or a device with the name of an image. Only files that still exist are
    remembered. Raises SqznetError if the folder cannot be read.
    """

    live = False
    timed = False

    def __init__(self, path: str, notice: Notice) -> None:
        self.name = printable(path)
        self._path, self._notice = path, notice
        self._special: set[str] = set()
        self._done = self._look()

    def shots(self) -> Generator[Shot, None, None]:
        began, growing = now(), dict[str, _Version]()
        gone = False
        while True:
            time.sleep(POLL)
            try:
                found = self._look()
            except SqznetError as error:
                if not gone:
                    self._notice(f"{error}, waiting for it")
                gone = True
                continue
            gone = False
            fresh = {name: v for name, v in found.items() if self._done.get(name) != v}
            self._done = {name: v for name, v in found.items() if name not in fresh}
            complete = [
                (version, name)
                for name, version in fresh.items()
                if version.size and growing.get(name) == version
            ]
            growing = fresh
            for version, name in sorted(complete, key=lambda one: (one[0], natural(one[1]))):
                self._done[name] = version
                shot = self._shot(name, began)
                if shot is not None:
                    yield shot

    def _look(self) -> dict[str, _Version]:
        found, special = {}, set()
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if not has_photo_suffix(entry.name):
                        continue
                    try:
                        status = entry.stat()
                    except OSError:  # deleted after the listing
                        continue
                    if not stat.S_ISREG(status.st_mode):
                        special.add(entry.name)  # not opened: a FIFO would be waited for
                        continue
                    found[entry.name] = _Version(status.st_mtime_ns, status.st_size)
        except OSError as error:
            raise SqznetError(f"{self.name}: {reason_of(error)}") from None
        for name in sorted(special - self._special):
            self._notice(f"{self.name}: {printable(name)} is not a regular file, so it is skipped")
        self._special = special
        return found

    def _shot(self, name: str, began: float) -> Shot | None:
        path, arrived = os.path.join(self._path, name), now()
        try:
            return Shot(Frame.of(decode(path)), arrived - began, arrived, path)
        except ImageError as error:
            if os.path.exists(path):
                self._notice(str(error))
            return None
