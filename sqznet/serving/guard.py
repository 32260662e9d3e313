"""Stands before the routes: who may ask, how many at a time, and what is written about each."""

from __future__ import annotations

import hmac
import ipaddress
import logging
from asyncio import CancelledError
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sqznet.serving.deadline import Deadline
from sqznet.serving.desk import Desk
from sqznet.serving.problems import CLIENT_LEFT, Problem, answer
from sqznet.serving.settings import Settings

_LOG = logging.getLogger("sqznet.serving")

# What anyone may read: the page that asks for the token, its description, and whether it is alive.
_OPEN = ("/", "/page.js", "/page.css", "/openapi.json", "/v2/health/live", "/v2/health/ready")


class Guard:
    """An ASGI application around that of the routes.

    It refuses other sites' pages (a browser says whose page asks), names that lead a browser here
    though they are not this machine's, requests without the token, and too many requests.
    """

    def __init__(self, app: ASGIApp, desk: Desk, settings: Settings) -> None:
        self._app, self._desk, self._settings = app, desk, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = monotonic()
        status = CLIENT_LEFT

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._answer(scope, receive, watched)
        except Exception:  # the client has its answer, of status 500
            _LOG.exception("failed", extra={"fields": {"path": scope["path"]}})
        finally:
            seconds = monotonic() - start
            route = getattr(scope.get("endpoint"), "__name__", "none")
            self._desk.metrics.answered(route, status, seconds)
            if _LOG.isEnabledFor(logging.INFO):
                _LOG.info("request", extra={"fields": _fields(scope, status, seconds)})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        desk, start = self._desk, monotonic()
        counted = scope["method"] == "POST"
        try:
            self._check(scope["path"], Headers(scope=scope))
            if counted:
                desk.enter()
        except Problem as problem:
            await answer(problem)(scope, receive, send)
            return
        deadline = Deadline(scope["state"], desk.limits.seconds)
        try:
            await self._app(scope, receive, send)
        except CancelledError:
            if not deadline.passed():
                raise
            if not deadline.client_left:
                await answer(desk.late(scope["state"]))(scope, receive, send)
        finally:
            deadline.close()
            if counted:
                desk.leave(monotonic() - start)

    def _check(self, path: str, headers: Headers) -> None:
        """Raises Problem if this request must not be answered."""
        host, token = headers.get("host", ""), self._settings.token
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Problem(403, "a page of another site may not use this server")
        if self._settings.is_local and token is None and not _is_local(host):
            raise Problem(403, "Host is not this machine; a proxy under another name needs a token")
        if token is None or path in _OPEN:
            return
        given = headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Problem(
                401,
                'expected the server\'s token, as "Authorization: Bearer TOKEN"',
                {"WWW-Authenticate": "Bearer"},
            )


@lru_cache(64)
def _is_local(host: str) -> bool:
    """Whether a Host header names this machine: a site can let its own name lead here, and the
    browser would take our answers for the site's."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _fields(scope: Scope, status: int, seconds: float) -> dict[str, Any]:
    client = scope.get("client")
    return {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "ms": round(1000 * seconds, 2),
        "client": client[0] if client else None,
    }
