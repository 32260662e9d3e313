"""Checks how weights files are refused, and limits the time and memory it may take."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqznet import weights
from sqznet.errors import WeightsError

from ..conftest import EMULATED
from .isolated import sanitizer

# Limits for reading a file. AddressSanitizer and emulators multiply the time, and the first also
# reserves address space.
SECONDS = 30 if sanitizer() or EMULATED else 2
_BYTES = 200_000_000
_USED = Path("/proc/self/statm")  # in pages, the address space first
_IS_MEASURED = _USED.exists() and not sanitizer()


def assert_refused(folder: Path, content: bytes, match: str | None = None) -> str:
    """Asserts that reading fails with the file's name, quickly and with little memory."""
    path = folder / "weights.pth"
    path.write_bytes(content)
    with limited(), pytest.raises(WeightsError, match=match) as caught:
        weights.read(path)
    message = str(caught.value)
    assert str(path) in message
    check_message(message)
    # An error that only the last resort catches lacks a specific check.
    assert "damaged, or not a weights file" not in message
    return message


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Fails a block that takes longer than `SECONDS` or more than 200 MB."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    if _IS_MEASURED:
        used = int(_USED.read_bytes().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _BYTES, before[1]))
    started = time.process_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert time.process_time() - started < SECONDS


def check_message(message: str) -> None:
    assert message.isprintable()
    assert len(message) < 600
