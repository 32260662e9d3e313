"""What a server's process holds after a peak."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc keeps what was freed"
)

HELD = """
import threading
from sqznet.serving.memory import Trimmer, lend_large_blocks

def held():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
"""

# As large photos are decoded beside what stays. Once the first block is freed, glibc takes those of
# up to its size from the heap, unless told otherwise.
LARGE = """
lend_large_blocks()
first = bytes([1]) * (20 << 20)
del first
before = held()
blocks = [(bytes([1]) * (10 << 20), bytes([1]) * 100_000) for _ in range(5)]
pins = [pin for _, pin in blocks]
del blocks
print(held() - before)
"""

HOLES = """
import asyncio
from sqznet.serving import memory

async def after_a_request():
    trimmer = Trimmer()
    trimmer.after_request()
    trimmer.after_request()
    for _ in range(100):
        await asyncio.sleep(0.05)
        if held() - before < 10:
            break

memory._PAUSE = 0.01
lend_large_blocks()
before = held()
blocks = [bytes([1]) * 100_000 for _ in range(630)]
pins = blocks[20::40]  # between holes
del blocks
assert held() - before > 50
asyncio.run(after_a_request())
print(held() - before)
"""


def growth(folder: Path, work: str) -> float:
    """Megabytes that a process holds more after its work."""
    done = subprocess.run(
        [sys.executable, "-c", HELD + work],
        cwd=folder,  # not the repository, whose sqznet has no compiled modules
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def test_large_blocks_leave_nothing_behind(tmp_path: Path) -> None:
    assert growth(tmp_path, LARGE) < 10
    unlimited = LARGE.replace("lend_large_blocks()", "")
    assert growth(tmp_path, unlimited) > 30  # else it is needed no longer


def test_what_smaller_ones_leave_goes_back_some_time_after_a_request(tmp_path: Path) -> None:
    assert growth(tmp_path, HOLES) < 10
