"""Peak memory of classifying one photo: natively and, after scripts/cross.sh, emulated.

`python -m benchmarks.lab.board_memory` prints the table. Each row is a separate process with one
thread; each column is the peak resident memory up to that step. The emulated processes also hold
the emulator and its translated code, so sqznet adds more to the interpreter there than on a board.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.material import ROOT

_CROSS = ROOT / "build" / "cross"
_CPUS = {"aarch64": "cortex-a53", "armv7l": "cortex-a7"}
_COLUMNS = ("Python", "import sqznet", "weights loaded", "photo classified", "second photo")

_CHILD = """
import sys

def peak():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                print(int(line.split()[1]) / 1024)

peak()
import sqznet
peak()
model = sqznet.load(threads=1)
peak()
for _ in range(2):
    assert model.classify(sys.argv[1])[0].label == "espresso"
    peak()
"""


def peaks(python: Path, cpu: str | None = None) -> list[float]:
    """Megabytes (2**20 bytes) after each step, in a fresh process of this Python."""
    environment = {**os.environ, **({"QEMU_CPU": cpu} if cpu else {})}
    photo = ROOT / "examples" / "coffee.jpg"
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # not the source folder, which Python would import
        command = [str(python), "-c", _CHILD, str(photo)]
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return [float(line) for line in done.stdout.splitlines()[-len(_COLUMNS) :]]


def main() -> None:
    rows = {"this machine": peaks(Path(sys.executable))}
    for arch, cpu in _CPUS.items():
        python = _CROSS / arch / "python" / "bin" / "python3"
        if python.exists():
            rows[f"{arch} ({cpu})"] = peaks(python, cpu)
        else:
            print(f"no wheel for {arch}: scripts/cross.sh {arch} builds it", file=sys.stderr)
    print(f"| peak, MB | {' | '.join(_COLUMNS)} |")
    print("|---|" + "---|" * len(_COLUMNS))
    for name, found in rows.items():
        print(f"| {name} | {' | '.join(f'{mb:.0f}' for mb in found)} |")


if __name__ == "__main__":
    main()
