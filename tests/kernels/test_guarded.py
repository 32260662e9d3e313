"""The guard pages do what the kernel tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from ..support.guarded import Guarded
from ..support.places import ROOT

OVERRUN = """
import ctypes, importlib.util, sys
spec = importlib.util.spec_from_file_location("guarded", sys.argv[1])
guarded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guarded)
buffer = guarded.Guarded(7, at_end=sys.argv[2] == "end")
address = buffer.array.ctypes.data + int(sys.argv[3])
print("reached", flush=True)
if sys.argv[4] == "read":
    ctypes.string_at(address, 4)
else:
    ctypes.memset(address, 0, 4)
print("survived")
"""


def touch(placement: str, offset: int, access: str) -> subprocess.CompletedProcess[str]:
    # A sanitized build's runtime would turn the signal into a report of its own.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0:handle_sigbus=0"
    path = ROOT / "tests" / "support" / "guarded.py"
    return subprocess.run(
        [sys.executable, "-c", OVERRUN, str(path), placement, str(offset), access],
        env={**os.environ, "ASAN_OPTIONS": sanitizer},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="guard pages need Linux")
@pytest.mark.parametrize("access", ["read", "write"])
@pytest.mark.parametrize(("placement", "offset"), [("end", 28), ("start", -4)])
def test_a_process_that_strays_dies(placement: str, offset: int, access: str) -> None:
    result = touch(placement, offset, access)
    assert result.stdout == "reached\n", result.stderr
    assert result.returncode == -signal.SIGSEGV


@pytest.mark.skipif(sys.platform != "linux", reason="guard pages need Linux")
@pytest.mark.parametrize("placement", ["end", "start"])
def test_a_process_that_stays_inside_lives(placement: str) -> None:
    for offset in (0, 24):
        assert touch(placement, offset, "write").stdout == "reached\nsurvived\n"


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("count", [1, 7, 1024, 1025])
def test_a_write_beside_the_data_is_found(count: int, at_end: bool) -> None:
    buffer = Guarded(count, at_end)
    buffer.array[:] = 1.0
    buffer.check()
    if buffer._slack.size:
        buffer._slack[-1 if at_end else 0] = 0
        with pytest.raises(AssertionError, match="beside"):
            buffer.check()


def test_data_may_start_at_any_multiple_of_four() -> None:
    addresses = {Guarded(count).array.ctypes.data % 64 for count in range(1, 17)}
    assert addresses == set(range(0, 64, 4))
    assert Guarded(3).array.dtype == np.float32
