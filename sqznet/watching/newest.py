"""Reads a live source in the background and keeps only its newest frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from threading import Condition, Event, Thread

from sqznet.errors import SqznetError
from sqznet.forks import renewed
from sqznet.watching.shot import LostError, Notice, Shot, Source, now

# Seconds until a lost source is opened again; doubled after each failure. A source that has run for
# STEADY seconds is back: the delay is reset, and the next loss is reported.
FIRST_DELAY, LONGEST_DELAY, STEADY = 0.5, 30.0, 2.0


class Newest:
    """The newest frames of a source, as fast as the consumer takes them.

    At most one frame waits, however slow the consumer is: a new frame replaces a waiting one.
    Iterating starts the reading; `close` stops it.
    """

    def __init__(self, source: Source, notice: Notice) -> None:
        self._source, self._notice = source, notice
        self._waiting: Shot | None = None
        self._dropped = 0
        self._failure: BaseException | None = None
        self._ended = False
        renewed(self)
        self._thread = Thread(target=self._read, name=f"sqznet {source.name}", daemon=True)

    def renew(self) -> None:
        self._changed = Condition()
        self._stop = Event()

    def __iter__(self) -> Iterator[tuple[Shot, int]]:
        """Yields frames, each with the number of frames dropped since the previous one.

        Whatever ended the source is raised after the last frame.
        """
        self._thread.start()
        while True:
            with self._changed:
                while self._waiting is None and not self._ended:
                    if not self._thread.is_alive():  # a forked child has no reading thread
                        raise SqznetError(
                            f"{self._source.name}: is read by the process that this one was "
                            "forked from: call watch() in each process"
                        )
                    self._changed.wait()
                shot, self._waiting = self._waiting, None
                dropped, self._dropped = self._dropped, 0
            if shot is None:
                break
            yield shot, dropped
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Stops reading. Does not wait longer than a second for a source that blocks."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _read(self) -> None:
        try:
            self._read_until_ended()
        except BaseException as error:
            self._failure = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _read_until_ended(self) -> None:
        began, lost, delay = now(), None, FIRST_DELAY
        while not self._stop.is_set():
            first: float | None = None
            try:
                with closing(self._source.shots()) as shots:
                    for shot in shots:
                        first = first or shot.arrived
                        if lost is not None and shot.arrived - first >= STEADY:
                            away = f"{first - lost:.0f} s"
                            self._notice(f"{self._source.name}: back after {away}")
                            lost, delay = None, FIRST_DELAY
                        self._put(shot._replace(time=shot.arrived - began))
                        if self._stop.is_set():
                            return
                return
            except LostError as error:
                if lost is None:
                    lost = now()
                    self._notice(f"{self._source.name}: lost ({error}), trying again")
            self._stop.wait(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _put(self, shot: Shot) -> None:
        with self._changed:
            self._dropped += self._waiting is not None
            self._waiting = shot
            self._changed.notify()
