"""The one assertion about weights files that must be refused."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from sqznet import weights
from sqznet.errors import WeightsError

from .isolated import is_sanitized


def assert_refused(folder: Path, content: bytes, match: str | None = None) -> str:
    """Reading the content raises WeightsError naming the file, quickly and in little memory."""
    path = folder / "weights.pth"
    path.write_bytes(content)
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(WeightsError, match=match) as caught:
            weights.read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600
    # What only the last resort catches lacks a check of its own.
    assert "while reading it" not in str(caught.value)
    # AddressSanitizer and its slow malloc take several times as long over a hundred thousand
    # objects; there the test is about memory.
    assert time.process_time() - started < (60 if is_sanitized() else 5)
    assert peak < 120e6
    return str(caught.value)
