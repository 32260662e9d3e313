"""Measures the transfer of a cache line between two cores, in nanoseconds (needs g++, two cores).

python -m benchmarks.lab.exchange

Two threads that share a network's maps wait for each other's cache lines. Within one processor that
takes about 40 ns. The host of a virtual machine may place its two cores on processors that are
farther apart, for seconds or hours, and then two threads are hardly faster than one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine


@contextmanager
def exchange() -> Iterator[Callable[[], list[int]]]:
    """Each call measures: one figure, or none if it cannot be measured."""
    if shutil.which("g++") is None or sys.platform != "linux" or machine.cores() < 2:
        yield list
        return
    with tempfile.TemporaryDirectory(prefix="sqznet-exchange-") as folder:
        program = str(Path(folder) / "exchange")
        source = str(Path(__file__).with_suffix(".cpp"))
        command = ["g++", "-O2", "-std=c++17", "-pthread", "-o", program, source]
        subprocess.run(command, check=True)
        yield lambda: [int(subprocess.run([program], capture_output=True, check=True).stdout)]


def main() -> int:
    """Exit code 0; 1 if it cannot be measured."""
    with exchange() as measured:
        found = measured()
    print(found[0] if found else "needs Linux, g++ and two cores")
    return 0 if found else 1


if __name__ == "__main__":
    raise SystemExit(main())
