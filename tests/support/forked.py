"""Runs a check in a forked child; separate scripts use it too, so it imports no test module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable


def in_child(check: Callable[[], bool]) -> bool:
    """Whether the check passes in a forked child. A child that hangs is killed and fails."""
    if os.environ.get("SQZNET_EMULATED"):
        time.sleep(0.3)  # a busy thread may hold a lock of the emulator
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status == 0
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hung")
