"""Reads streams whose size is unknown, such as pipes and uploaded files."""

from __future__ import annotations

from typing import Any

from sqznet.errors import ImageError, printable, reason_of

#: The maximum to read from a stream.
MAX_STREAM_BYTES = 1 << 28
# How much of it is read at once.
_PIECE = 1 << 20


class Pieces:
    """The content of a stream whose size is unknown, piece by piece: ``data``."""

    def __init__(self, name: str) -> None:
        self.data = bytearray()
        self._name = name

    def take(self, piece: Any) -> bool:
        """Adds what the stream's read() gave; False at its end.

        Raises ImageError, naming the stream, unless these are bytes, and not too many in all.
        """
        if isinstance(piece, str):
            raise ImageError(f"{self._name}: a file opened for text, expected one opened with 'rb'")
        if hasattr(piece, "__await__"):
            getattr(piece, "close", bool)()  # else Python warns that nobody awaited it
            raise ImageError(
                f"{self._name}: its read() is asynchronous: await it and pass the bytes, or pass "
                "the object to Model.aclassify"
            )
        if not isinstance(piece, (bytes, bytearray, memoryview, type(None))):
            kind = type(piece).__name__
            raise ImageError(f"{self._name}: its read() gave a {kind}, expected bytes")
        self.data += piece or b""
        if len(self.data) > MAX_STREAM_BYTES:
            raise ImageError(
                f"{self._name}: more than {MAX_STREAM_BYTES >> 20} MiB, too much for an image"
            )
        return bool(piece)


def read_all(file: Any, name: str) -> bytes:
    """The rest of a binary file object. Raises ImageError, beginning with ``name``."""
    pieces = Pieces(name)
    while pieces.take(file.read(_PIECE)):
        pass
    return bytes(pieces.data)


async def await_all(file: Any, name: str) -> bytes:
    """The same of an object whose read() is asynchronous; its exceptions become ImageError."""
    pieces = Pieces(name)
    try:
        while pieces.take(await file.read(_PIECE)):
            pass
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{name}: cannot be read: {printable(reason_of(error), 200)}") from None
    return bytes(pieces.data)
