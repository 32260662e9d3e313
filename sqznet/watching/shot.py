"""The interface of a source: its frames, its errors, and what is seen in a frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol

from sqznet.errors import SqznetError
from sqznet.images.frame import Frame

#: Called with one line about a problem that does not end the loop.
Notice = Callable[[str], None]


class Shot(NamedTuple):
    """One frame. `time`: seconds since the source started; `arrived`: when it was available, by
    `time.monotonic`; `path`: its file, if it has one of its own."""

    picture: Frame
    time: float
    arrived: float
    path: str | None = None


class Seen(Protocol):
    """What was seen in one frame: a Sighting or a Scene, which say what these mean."""

    @property
    def time(self) -> float: ...

    @property
    def latency(self) -> float: ...

    @property
    def dropped(self) -> int: ...

    @property
    def picture(self) -> Frame: ...


class LostError(SqznetError):
    """A live source was lost; it may come back."""


class Source(Protocol):
    """A source of frames.

    live: its frames arrive at their own pace, and only the newest counts.
    timed: its frames have times, so that `fps` can select among them.
    """

    name: str
    live: bool
    timed: bool

    def shots(self) -> Generator[Shot, None, None]:
        """Yields the frames in order; closes the source when it ends or is closed.

        After `LostError` it may be called again and opens the source again. Raises LostError, or
        SqznetError if another try is useless.
        """
        ...


def now() -> float:
    return time.monotonic()
