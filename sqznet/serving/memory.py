"""Keeps the memory of a server level where glibc allocates it."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Bytes from which on a block is lent by the system and goes back to it. Most photos and bodies have
# less, and find memory that needs no page faults.
_LENT = 1 << 20
# Bytes at the end of a heap that are kept for that; each thread has a heap.
_KEPT = 16 << 20


def keep_level() -> None:
    """Fixes from which size on blocks of this process go back to the system when they are freed.

    Else glibc raises that size, 128 KiB, to the size of each larger block that is freed, up to 32
    MiB, and keeps up to twice as much at the end of each heap (mallopt(3), M_MMAP_THRESHOLD).
    Pillow decodes large photos into blocks of 16 MiB, so after a few of them the heaps of the
    threads hold some hundred megabytes for good. Other C libraries do not do this.
    """
    with suppress(AttributeError, OSError):  # no mallopt, no library of this process
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LENT)
        mallopt(_TRIM_THRESHOLD, _KEPT)
