"""Keeps the memory of a server level where glibc allocates it; other C libraries need no help."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from contextlib import suppress

# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Bytes from which on a block is lent by the system and goes back to it. Most photos and bodies have
# less, and find memory that needs no page faults.
_LENT = 1 << 20
# Bytes at the end of a heap that are kept for that; each thread has a heap.
_KEPT = 16 << 20
# Seconds after a request until free memory goes back to the system.
_PAUSE = 5.0


def lend_large_blocks() -> None:
    """Fixes from which size on blocks of this process go back to the system when they are freed.

    Else glibc raises that size, 128 KiB, to the size of each larger block that is freed, up to 32
    MiB, and keeps up to twice as much at the end of each heap (mallopt(3), M_MMAP_THRESHOLD).
    Pillow decodes large photos into blocks of 16 MiB, so after a few of them the heaps of the
    threads hold tens of megabytes for good.
    """
    if mallopt := _of_glibc("mallopt"):
        mallopt(_MMAP_THRESHOLD, _LENT)
        mallopt(_TRIM_THRESHOLD, _KEPT)


class Trimmer:
    """Gives free memory back some time after requests; used by the loop's thread.

    Smaller blocks leave holes between what stays, which glibc keeps. While requests come it is done
    every few seconds, by another thread.
    """

    def __init__(self) -> None:
        self._trim = _of_glibc("malloc_trim")
        self._is_due = False

    def after_request(self) -> None:
        if self._trim is not None and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(_PAUSE, self._start, self._trim)

    def _start(self, trim: Callable[[int], int]) -> None:
        self._is_due = False
        asyncio.get_running_loop().run_in_executor(None, trim, 0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    with suppress(AttributeError, OSError, TypeError):  # TypeError: Windows
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
        return found
    return None
