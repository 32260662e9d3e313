"""What a server allows, and what it is told about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqznet.errors import SqznetError

if TYPE_CHECKING:
    import os

#: Addresses that only programs on the same machine reach.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Limits(NamedTuple):
    """What one client may cost the others.

    ``body``: bytes of a request. ``pixels``: of a photo; it takes up to 4 bytes of memory for each.
    ``seconds``: from a request's first byte to its answer. ``queue``: requests that are received or
    answered at a time. ``batch``: photos that one thread passes to the network at once. ``wait``:
    seconds that a photo may wait for others to join its batch, while a thread is free.
    """

    body: int = 16 << 20
    pixels: int = 64_000_000
    seconds: float = 30.0
    queue: int = 64
    batch: int = 4
    wait: float = 0.0


class Settings(NamedTuple):
    """``host``, ``port``: where it listens; 0 is any free port. ``token``: what clients must send
    as "Authorization: Bearer TOKEN". ``taught``: the file of the classes that clients may teach."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    taught: str | os.PathLike[str] | None = None
    limits: Limits = Limits()

    @property
    def is_local(self) -> bool:
        return self.host in LOOPBACK


def require_libraries() -> None:
    """Raises SqznetError, with the command that installs them, if a library is missing."""
    try:
        import httptools
        import prometheus_client
        import python_multipart
        import starlette
        import uvicorn
    except ImportError as error:
        raise SqznetError(
            f"the server needs {error.name}: pip install starlette uvicorn httptools "
            "prometheus-client python-multipart"
        ) from None
    del httptools, prometheus_client, python_multipart, starlette, uvicorn
