"""Buffers with inaccessible memory on both sides: a kernel that goes beyond either end crashes.

The data are between two pages without access rights. They end right before the upper page or start
right after the lower one; the remaining bytes on the other side hold a pattern that `check`
compares. Sizes that are not multiples of a register give addresses at odd multiples of 4.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np
import pytest

Array = Any

#: Fills memory that must not be written: a NaN with special bits, so that reading it shows too.
CANARY_BITS = np.uint32(0x7FC0DEAD)


def _protect(address: int, size: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    prot_none = 0
    if libc.mprotect(address, size, prot_none) != 0:
        raise OSError(ctypes.get_errno(), "mprotect failed")


class Guarded:
    """`count` values between two guard pages; `array` is a flat view of them."""

    def __init__(self, count: int, at_end: bool = True, dtype: Any = np.float32) -> None:
        if sys.platform != "linux":
            pytest.skip("guard pages need Linux's mmap and mprotect")
        page = mmap.PAGESIZE
        size = count * np.dtype(dtype).itemsize
        inner = -(-max(size, 1) // page) * page
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        memory = mmap.mmap(-1, inner + 2 * page, flags=private)
        start = np.frombuffer(memory, np.uint8).ctypes.data
        _protect(start, page)
        _protect(start + page + inner, page)
        lead = inner - size if at_end else 0
        # Every array keeps the mapping alive; it is freed with the last of them.
        whole = np.frombuffer(memory, np.uint8, inner, page)
        whole.view(np.uint32)[:] = CANARY_BITS
        self.array = whole[lead : lead + size].view(dtype)
        self._slack = whole[:lead] if at_end else whole[size:]
        self._canaries = self._slack.copy()

    def check(self) -> None:
        """Asserts that nothing beside the data was written."""
        assert (self._slack == self._canaries).all(), "memory beside the buffer was written"
