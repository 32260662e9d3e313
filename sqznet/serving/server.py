"""Listens, and answers until it is told to stop; what was accepted by then is finished."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import uvicorn

from sqznet.errors import SqznetError, reason_of
from sqznet.serving.app import application
from sqznet.serving.connection import Connection
from sqznet.serving.desk import Desk
from sqznet.serving.served import Models, Served
from sqznet.serving.settings import Settings
from sqznet.serving.sought import Sought

# Connections in all, and those that are accepted before the others are looked at.
_CONNECTIONS = 1000
_AT_ONCE = 100
# Seconds after the limit for a request in which its answer may still be sent when the server stops.
_GRACE = 5


class Server:
    """A server that listens already: requests wait until ``run`` answers them.

    ``url``: its address. Raises SqznetError if it cannot listen there.
    """

    def __init__(self, models: Sequence[Served], sought: Sought, settings: Settings) -> None:
        self._desk = Desk(Models(models), sought, settings.limits)
        self._socket = _listening(settings.host, settings.port)
        port = self._socket.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"http://{host}:{port}"
        limits = settings.limits
        connection: Any = partial(
            Connection, seconds=limits.seconds, most=limits.body, crowd=_most_connections()
        )
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                application(self._desk, settings),
                http=connection,
                ws="none",
                backlog=_AT_ONCE,
                loop="asyncio",  # uvloop takes more time for long bodies
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=round(settings.limits.seconds) + _GRACE,
            )
        )

    def run(self) -> None:
        """Answers until SIGTERM or Ctrl-C, which raise what they raise without a server once all
        that was accepted is answered; in another thread than the main one, until ``stop``."""
        try:
            self._uvicorn.run([self._socket])
        finally:
            self._desk.close()
            self._socket.close()

    def stop(self) -> None:
        """Ends ``run``; may be called from any thread."""
        self._uvicorn.should_exit = True


def _most_connections() -> int:
    """As many as leave files to open for all else, or the system's limit would fail any of both."""
    try:
        import resource
    except ImportError:  # Windows, where connections are no files
        return _CONNECTIONS
    return min(_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_AT_ONCE)
    except OSError as error:
        taken = " (another program listens there)" if error.errno == errno.EADDRINUSE else ""
        reason = f"{reason_of(error)}{taken}"
        raise SqznetError(f"cannot listen on {host}, port {port}: {reason}") from None
