"""Connections for downloads, within a deadline.

HTTP and HTTPS only, and never from HTTPS to anything else.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from threading import Timer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib.request import OpenerDirector, Request

# Seconds without a byte after which a server counts as silent.
SILENCE = 20.0


class Deadline:
    """A moment after which a download is given up: its connections are cut then.

    Time limits of single reads are not enough: a server that sends a byte every few seconds never
    exceeds them.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []

    def has_passed(self) -> bool:
        return time.monotonic() >= self._end

    def pause(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, self._end - time.monotonic())))

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Inside the block, connections of `opened` are cut when the moment comes."""
        timer = Timer(max(0.0, self._end - time.monotonic()), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._sockets.clear()

    def watch(self, connected: socket.socket) -> None:
        self._sockets.append(connected)
        if self.has_passed():
            self._cut()

    def _cut(self) -> None:
        for connected in tuple(self._sockets):
            with suppress(OSError):  # it is closed already
                # Not the method of an SSL socket, which changes what its reader is using.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


def opened(url: str, headers: dict[str, str], deadline: Deadline) -> HTTPResponse:
    """The answer to a request.

    Raises HTTPError, which is an OSError, for an answer that is none of success, and OSError,
    HTTPException or ValueError if there is none.
    """
    from urllib.request import Request

    request = Request(url, headers=headers)
    response: HTTPResponse = opener(deadline).open(request, timeout=SILENCE)
    return response


def opener(deadline: Deadline) -> OpenerDirector:
    """What opens addresses of these schemes, by the proxies of the environment."""
    from urllib import request as library
    from urllib.error import HTTPError
    from urllib.parse import urlsplit

    class Connection(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    class SecureConnection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    class Plain(library.HTTPHandler):
        def http_open(self, req: Request) -> HTTPResponse:
            return self.do_open(Connection, req)

    class Secure(library.HTTPSHandler):
        def https_open(self, req: Request) -> HTTPResponse:
            return self.do_open(SecureConnection, req)

    class Redirects(library.HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            wanted = urlsplit(newurl).scheme.lower()
            if wanted not in (("https",) if req.type == "https" else ("http", "https")):
                told = f"a redirection from {req.type} to {wanted}, which is refused"
                raise HTTPError(req.full_url, code, told, headers, fp)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

        def http_error_302(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
            try:
                return super().http_error_302(req, fp, code, msg, headers)
            except Exception:
                fp.close()
                raise

        http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    made = library.OpenerDirector()
    for handler in (
        library.ProxyHandler(),
        library.UnknownHandler(),
        Plain(),
        Secure(),
        library.HTTPDefaultErrorHandler(),
        Redirects(),
        library.HTTPErrorProcessor(),
    ):
        made.add_handler(handler)
    return made
