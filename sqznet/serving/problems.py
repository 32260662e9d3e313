"""The answers to requests that cannot be served: a status and one line that says why."""

from __future__ import annotations

import math
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

#: The status that servers write for a client that left before its answer; nobody receives it.
CLIENT_LEFT = 499


class Problem(HTTPException):
    """Ends a request with this status; ``message`` says what was found and expected."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, headers)


def busy(status: int, message: str, seconds: float) -> Problem:
    """One that passes: the client may come again after this time."""
    return Problem(status, message, {"Retry-After": str(max(1, math.ceil(seconds)))})


def answer(error: HTTPException) -> JSONResponse:
    """The body of every error: {"error": "..."}, as the Open Inference Protocol has it."""
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
