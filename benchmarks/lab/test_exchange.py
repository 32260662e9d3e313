"""The transfer time of a cache line between cores is measured if possible."""

from __future__ import annotations

import shutil
import sys

import pytest

from benchmarks import machine
from benchmarks.lab.exchange import exchange


def test_nanoseconds() -> None:
    possible = shutil.which("g++") and sys.platform == "linux" and machine.cores() > 1
    with exchange() as measured:
        found = measured() + measured()
    assert len(found) == (2 if possible else 0)
    assert all(1 < ns < 1_000_000 for ns in found)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with exchange() as measured:
        assert measured() == []
