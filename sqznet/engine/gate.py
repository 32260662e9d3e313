"""How many callers of one model work at a time."""

from __future__ import annotations

from collections import deque
from threading import Lock
from time import monotonic

from sqznet.engine import cpu

# Seconds from one place that is handed on to the next one.
TURN = 0.03


class _Waiting:
    def __init__(self) -> None:
        self.has_place = False
        self.bell = Lock()
        self.bell.acquire()


class Gate:
    """Lets in as many callers as there are cores; the others wait.

    More of them would take turns, too, but whenever the system likes: in the middle of a network,
    whose maps the next one pushes out of the caches. To wake another caller costs time as well, so
    one who comes back at once mostly goes in again; every TURN, the one who came first is next.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._room = 0  # 0: not looked up yet
        self._waiting: deque[_Waiting] = deque()
        self._handed_on = 0.0

    def enter(self) -> bool:
        """Wait for a place; whether callers fill all cores then, several of them."""
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
            if first.bell.locked():  # else it has not heard the last ring yet
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
