"""Reads a video from a FIFO or a pipe."""

from __future__ import annotations

from io import FileIO
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO

# What may come before the frames of an MP4 or QuickTime file (ISO/IEC 14496-12, 8.1.2).
_BEFORE = (b"ftyp", b"free", b"pdin", b"skip", b"wide")
_MOST_BEFORE = 1 << 16


class Pipe:
    """A pipe as a file for PyAV.

    Python reads it and not FFmpeg, which would not return for Ctrl-C as long as nothing comes.
    PyAV cannot pass on such an exception: ``interrupt`` holds it, and FFmpeg sees the end.
    """

    def __init__(self, path: str) -> None:
        self.interrupt: BaseException | None = None
        self._file = FileIO(path)
        self._ahead = b""

    def read(self, size: int) -> bytes:
        if self.interrupt is not None:  # FFmpeg may ask again at an end
            return b""
        try:
            if self._ahead:
                piece, self._ahead = self._ahead[:size], self._ahead[size:]
                return piece
            return self._file.read(size)
        except BaseException as error:
            self.interrupt = error
            return b""

    def close(self) -> None:
        self._file.close()

    def is_indexed_behind(self) -> bool:
        """Whether it is an MP4 or QuickTime file with its index behind the frames."""
        at = 0
        while at < _MOST_BEFORE:
            head = self._look(at, 8)
            if head[4:] == b"mdat":
                return True
            size = int.from_bytes(head[:4], "big")
            if head[4:] not in _BEFORE or size < 8:
                return False
            at += size
        return False

    def copied(self) -> BinaryIO:
        """The whole of it in a temporary file, which has no name."""
        whole = TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
        try:
            whole.write(self._ahead)
            with self._file:
                copyfileobj(self._file, whole)
            whole.seek(0)
        except BaseException:
            whole.close()
            raise
        return whole

    def _look(self, at: int, size: int) -> bytes:
        """Some bytes ahead of what was read."""
        while len(self._ahead) < at + size:
            piece = self._file.read(at + size - len(self._ahead))
            if not piece:
                break
            self._ahead += piece
        return self._ahead[at : at + size]


def open_pipe(path: str) -> Pipe | BinaryIO:
    """Waits for what comes out of a pipe; as a file if FFmpeg has to go back in it.

    Raises OSError if it cannot be read, or copied.
    """
    pipe = Pipe(path)
    try:
        if not pipe.is_indexed_behind():
            return pipe
        return pipe.copied()
    except BaseException:
        pipe.close()
        raise
