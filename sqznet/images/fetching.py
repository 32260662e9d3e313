"""Fetches an image from a web server, if the caller allows it."""

from __future__ import annotations

import os
from http.client import HTTPException, HTTPResponse

from sqznet.errors import ImageError, printable, reason_of
from sqznet.files.connections import Deadline, opened

# Seconds for the whole transfer.
_LONGEST = 60.0
_MAX_BYTES = 64 << 20
_BLOCK = 64 << 10


def fetch(address: str, name: str) -> bytes:
    """The content at an http:// or https:// address, at most 64 MiB, within a minute.

    Redirections never lead from https to another scheme. Raises ImageError, beginning with
    ``name``, if it is not available, and if SQZNET_OFFLINE is set.
    """
    if os.environ.get("SQZNET_OFFLINE", "") not in ("", "0"):
        raise ImageError(f"{name}: SQZNET_OFFLINE forbids downloading it")
    headers = {"User-Agent": "sqznet", "Accept-Encoding": "identity"}
    deadline = Deadline(_LONGEST)
    try:
        with deadline.enforced(), opened(address, headers, deadline) as response:
            data = _received(response)
        if not deadline.has_passed():  # a connection that was cut may look like the end of the file
            return data
        why = ""
    except (OSError, HTTPException, ValueError) as error:
        why = _reason(error)
    if deadline.has_passed():
        why = f"not complete after {_LONGEST:.0f} seconds"
    raise ImageError(f"{name}: cannot be downloaded: {why}")


def _received(response: HTTPResponse) -> bytes:
    data = bytearray()
    while block := response.read1(_BLOCK):
        data += block
        if len(data) > _MAX_BYTES:
            raise OSError(f"more than {_MAX_BYTES >> 20} MiB, too much for an image")
    if response.length:  # what is missing of the stated length
        raise OSError(f"the connection broke off {response.length} bytes before the end")
    return bytes(data)


def _reason(error: OSError | HTTPException | ValueError) -> str:
    from urllib.error import HTTPError

    if isinstance(error, HTTPError):
        error.close()
        return f"the server answered {error.code} {printable(str(error.reason), 100)}"
    return printable(reason_of(getattr(error, "reason", error)), 200)
