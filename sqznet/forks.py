"""What a fork must wait for, and what a forked child must renew.

At a fork, another thread may hold a lock, or be halfway through a change that the lock guards. The
child has only the thread that forked, so nobody there releases the lock. So each object that has a
lock makes it in its method ``renew`` and is passed to `renewed`; no lock is made elsewhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Lock, get_ident
from time import monotonic, sleep
from types import FrameType
from typing import Generic, Protocol, TypeVar
from weakref import WeakSet

# Seconds that a fork waits for imports at most.
_PATIENCE = 5.0


class Renewable(Protocol):
    def renew(self) -> None:
        """Makes new locks, and forgets what only the threads of the parent could finish."""
        ...


_OWNERS: WeakSet[Renewable] = WeakSet()
Owner = TypeVar("Owner", bound=Renewable)
Made = TypeVar("Made")


def renewed(owner: Owner) -> Owner:
    """Calls ``owner.renew`` now, and in every forked child as long as the owner is in use."""
    owner.renew()
    _OWNERS.add(owner)
    return owner


class Once(Generic[Made]):
    """Calls ``make`` when its result is first needed, once for all threads."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._made: list[Made] = []
        renewed(self)

    def renew(self) -> None:
        self._lock = Lock()

    def __call__(self) -> Made:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


def _renew_all() -> None:
    for owner in _OWNERS:
        owner.renew()


def _wait_for_imports() -> None:
    """Lets other threads finish the imports of a first call. Python has a lock for each module that
    is being imported; the child would wait forever for such a module."""
    end = monotonic() + _PATIENCE
    while any(map(_imports, _other_threads())) and monotonic() < end:
        sleep(0.001)


def _other_threads() -> list[FrameType]:
    return [frame for ident, frame in sys._current_frames().items() if ident != get_ident()]


def _imports(innermost: FrameType) -> bool:
    """Whether a thread imports a module of this package or for it."""
    frame: FrameType | None = innermost
    inside_import = False
    while frame is not None:
        inside_import |= frame.f_code.co_filename.startswith("<frozen importlib")
        is_own = str(frame.f_globals.get("__name__")).partition(".")[0] == "sqznet"
        if is_own and (inside_import or frame.f_code.co_name == "<module>"):
            return True
        frame = frame.f_back
    return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_imports, after_in_child=_renew_all)
