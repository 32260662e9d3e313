"""Fetches an image from a web server, if the caller allows it."""

from __future__ import annotations

import os
from http.client import HTTPException
from time import monotonic
from typing import IO, Any

from sqznet.errors import ImageError, printable, reason_of

# Seconds without a byte, and for the whole transfer.
_SILENCE, _DEADLINE = 20.0, 60.0
_MAX_BYTES = 64 << 20
_BLOCK = 64 << 10


def fetch(address: str, name: str) -> bytes:
    """The content at an http:// or https:// address, at most 64 MiB, within a minute.

    Redirections never lead from https to another scheme. Raises ImageError, beginning with
    ``name``, if it is not available, and if SQZNET_OFFLINE is set.
    """
    if os.environ.get("SQZNET_OFFLINE", "") not in ("", "0"):
        raise ImageError(f"{name}: SQZNET_OFFLINE forbids downloading it")
    from urllib.error import HTTPError
    from urllib.request import Request

    headers = {"User-Agent": "sqznet", "Accept-Encoding": "identity"}
    try:
        request = Request(address, headers=headers)
        with opener().open(request, timeout=_SILENCE) as response:
            return _received(response, monotonic() + _DEADLINE)
    except HTTPError as error:
        error.close()
        answer = f"the server answered {error.code} {printable(str(error.reason), 100)}"
        raise ImageError(f"{name}: cannot be downloaded: {answer}") from None
    except (OSError, HTTPException, ValueError) as error:
        why = printable(reason_of(getattr(error, "reason", error)), 200)
        raise ImageError(f"{name}: cannot be downloaded: {why}") from None


def _received(response: IO[bytes], deadline: float) -> bytes:
    data = bytearray()
    while block := response.read1(_BLOCK):  # type: ignore[attr-defined]
        data += block
        if len(data) > _MAX_BYTES:
            raise OSError(f"more than {_MAX_BYTES >> 20} MiB, too much for an image")
        if monotonic() > deadline:
            raise OSError(f"not complete after {_DEADLINE:.0f} s")
    stated = getattr(response, "length", None)  # what is missing of the stated length
    if stated:
        raise OSError(f"the connection broke off {stated} bytes before the end")
    return bytes(data)


def opener() -> Any:
    """Opens addresses; a redirection never leads from https to another scheme."""
    from urllib.parse import urlsplit
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Redirections(HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            allowed = ("https",) if req.type == "https" else ("http", "https")
            if urlsplit(newurl).scheme.lower() not in allowed:
                raise OSError(f"the server redirects from {req.type} to another scheme")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

        def http_error_302(
            self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any
        ) -> Any:
            try:
                return super().http_error_302(req, fp, code, msg, headers)
            except BaseException:
                fp.close()
                raise

        http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    return build_opener(Redirections)
