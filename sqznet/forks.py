"""What a forked child must set right: every lock of the package, and what the lock guards.

At a fork, another thread may hold a lock, or be halfway through a change that the lock guards. The
child has only the thread that forked, so nobody there releases the lock. So each object that has a
lock makes it in its method ``renew`` and is passed to `renewed`; no lock is made elsewhere.
"""

from __future__ import annotations

import os
from typing import Protocol, TypeVar
from weakref import WeakSet


class Renewable(Protocol):
    def renew(self) -> None:
        """Makes new locks, and forgets what only the threads of the parent could finish."""
        ...


_OWNERS: WeakSet[Renewable] = WeakSet()
Owner = TypeVar("Owner", bound=Renewable)


def renewed(owner: Owner) -> Owner:
    """Calls ``owner.renew`` now, and in every forked child as long as the owner is in use."""
    owner.renew()
    _OWNERS.add(owner)
    return owner


def _renew_all() -> None:
    for owner in _OWNERS:
        owner.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
