"""The time that a request has."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

_NAME = "deadline"


class Deadline:
    """Cancels the current task, which answers a request, once ``seconds`` are over, or when its
    client has left.

    Whoever catches the cancellation asks `passed` whether it came from here. Unlike
    `asyncio.wait_for` it needs no task of its own for each step of a request.

    ``state``: that of the request. ``client_left``: whether that was the reason.
    """

    def __init__(self, state: dict[str, Any], seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.client_left = False
        self._task = task
        self._is_over = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end)
        self._state = state
        state[_NAME] = self

    def passed(self) -> bool:
        """Whether it ended the task, which is then no longer taken for canceled."""
        if self._is_over and sys.version_info >= (3, 11):
            self._task.uncancel()
        return self._is_over

    def close(self) -> None:
        """Ends without canceling anything."""
        self._timer.cancel()
        del self._state[_NAME]

    def leave(self) -> None:
        """The client of the request has left."""
        self.client_left = True
        self._timer.cancel()
        self._end()

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()


def deadline_of(state: Mapping[str, Any]) -> Deadline | None:
    """That of a request whose answer has begun and not ended."""
    found: Deadline | None = state.get(_NAME)
    return found
