"""How long a cache line takes from one core to another, in nanoseconds (needs g++ and two cores).

python -m benchmarks.lab.exchange

Two threads that share a network's maps wait for each other's cache lines. Within one processor that
is some 40 ns; the host of a virtual machine may put its two cores on processors that are further
apart, for seconds or hours, and then two threads are hardly quicker than one.
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
    """Measures whenever it is called: one figure for now, none where it cannot be measured."""
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
    """Exit code 0; 1 where it cannot be measured."""
    with exchange() as measured:
        found = measured()
    print(found[0] if found else "needs Linux, g++ and two cores")
    return 0 if found else 1


if __name__ == "__main__":
    raise SystemExit(main())
