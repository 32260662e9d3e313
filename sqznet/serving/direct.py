"""Leads requests straight to their endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from sqznet.errors import SqznetError

# Paths whose routes are remembered, and the characters of one.
_KNOWN, _LONGEST = 256, 256


class Direct:
    """An ASGI application before Starlette's, which does the same with less work.

    Starlette passes each request through two layers that catch errors, tries the patterns of its
    routes in turn, and wraps the endpoint in two functions more. Here the route of a path is found
    once, by Starlette's own routes, and errors are caught in one place. What has no route goes on
    to Starlette, which says so.

    ``refused``: the answer to a request that raised one of our errors; ``failed``: to one that
    raised anything else.
    """

    def __init__(
        self,
        app: Starlette,
        refused: Callable[[Request, Exception], Response],
        failed: Callable[[], Response],
    ) -> None:
        self._app, self._refused, self._failed = app, refused, failed
        self._known = lru_cache(_KNOWN)(self._found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        find = self._known if len(path) <= _LONGEST else self._found
        route = find(scope["method"], path)
        if route is None:
            await self._app(scope, receive, send)
            return
        scope.update(route)
        request = Request(scope, receive)
        try:
            response = await route["endpoint"](request)
        except (HTTPException, SqznetError) as error:
            response = self._refused(request, error)
        except Exception:
            await self._failed()(scope, receive, send)
            raise
        await response(scope, receive, send)

    def _found(self, method: str, path: str) -> Mapping[str, Any] | None:
        """What a route adds to the scope of a request: its endpoint, and the parameters in its
        path."""
        asked = {"type": "http", "method": method, "path": path}
        for route in self._app.routes:
            match, added = route.matches(asked)
            if match is Match.FULL:
                return added
        return None
