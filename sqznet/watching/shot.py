"""What every source gives, and how it fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol

from sqznet.errors import SqznetError
from sqznet.images.frame import Frame

#: Takes one line about something that went wrong and that watching goes on after.
Notice = Callable[[str], None]


class Shot(NamedTuple):
    """One frame. `time`: seconds since the source began; `arrived`: when it could be had, by
    `time.monotonic`; `path`: the file it came in, where it has one of its own."""

    picture: Frame
    time: float
    arrived: float
    path: str | None = None


class LostError(SqznetError):
    """A live source went away; it may come back."""


class Source(Protocol):
    """Something to watch.

    live: its frames come at their own pace, and only the newest counts.
    timed: its frames belong to moments, so that `fps` can choose among them.
    """

    name: str
    live: bool
    timed: bool

    def shots(self) -> Generator[Shot, None, None]:
        """The frames, in order; closes the source when it ends or is closed.

        May be called again after `LostError`, and then opens the source anew. Raises LostError, or
        SqznetError where there is no point in trying again.
        """
        ...


def now() -> float:
    return time.monotonic()
