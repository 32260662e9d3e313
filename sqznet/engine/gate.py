"""Limits how many callers of one model run at a time."""

from __future__ import annotations

from collections import deque
from threading import Lock
from time import monotonic

from sqznet.engine import cpu

# Minimum seconds between two hand-overs of a place to the caller that waits longest.
TURN = 0.03


class _Waiting:
    def __init__(self) -> None:
        self.has_place = False
        self.bell = Lock()
        self.bell.acquire()


class Gate:
    """Lets in as many callers as there are cores; the others wait.

    More callers would share the cores too, but the system could switch between them at any time: in
    the middle of a network, whose maps the next caller then evicts from the caches. Waking another
    caller also costs time, so a caller that returns at once usually gets in again; but every TURN
    seconds, the caller that waits longest is next.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._room = 0  # 0: not looked up yet
        self._waiting: deque[_Waiting] = deque()
        self._handed_on = 0.0

    def enter(self) -> bool:
        """Waits for a place. Returns whether several callers then fill all cores."""
        with self._lock:
            if self._inside and not self._room:
                self._room = cpu.usable_cores()[0]
            if self._take():
                return 1 < self._inside == self._room
            me = _Waiting()
            self._waiting.append(me)
        try:
            while not me.has_place:
                me.bell.acquire()
                with self._lock:
                    if not me.has_place and self._take():
                        self._waiting.remove(me)
                        me.has_place = True
        except BaseException:  # Ctrl-C
            self._give_up(me)
            raise
        return self._room > 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._waiting:
                return
            first, now = self._waiting[0], monotonic()
            if now - self._handed_on > TURN:
                self._handed_on = now
                self._inside += 1
                self._waiting.popleft().has_place = True
            if first.bell.locked():  # else it has not reacted to the last wake-up yet
                first.bell.release()

    def _take(self) -> bool:
        free = self._inside < max(1, self._room)
        self._inside += free
        return free

    def _give_up(self, me: _Waiting) -> None:
        with self._lock:
            if not me.has_place:
                self._waiting.remove(me)
        if me.has_place:
            self.leave()
