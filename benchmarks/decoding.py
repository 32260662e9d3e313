"""How long a compressed file takes to read: python -m benchmarks.decoding [--cpu NAME]

Reads the bundled detector again and again, which is a compressed file, and the same weights in a
safetensors file, on one thread. The times hold on an idle machine. `--cpu cortex-a53` counts
instead what either takes on an emulated processor, after `scripts/cross.sh aarch64`: a quarter of
the difference between a run of five reads and a run of one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import sqznet
from benchmarks import machine, report
from benchmarks.instructions import CROSS, Counter
from sqznet import weights
from sqznet.weights.checkpoint import element_count

RUNS = 200
_MORE = 4  # reads after the first, where instructions are counted


def files(folder: Path) -> dict[str, Path]:
    """The files to read, by what they are."""
    compressed = Path(weights.DETECTOR_PATH)
    floats = folder / "floats.safetensors"
    sqznet.convert(compressed, floats)
    return {"compressed": compressed, "as floats": floats}


def timed(path: Path, runs: int = RUNS) -> list[float]:
    """The milliseconds of each of so many reads, after one that imports what they need."""
    weights.read(path)
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        weights.read(path)
        found.append((time.perf_counter() - start) * 1e3)
    return found


def counted(counter: Counter, path: Path) -> int:
    """The instructions of one read."""
    child = "benchmarks.decoding_child"
    once, often = (counter.run(child, str(path), str(1 + more)) for more in (0, _MORE))
    return (often - once) // _MORE


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cpu", help="qemu's name of the processor, such as cortex-a53")
    options = parser.parse_args(arguments)
    if options.cpu and not (CROSS / "python").is_dir():
        raise SystemExit("no wheel for AArch64: run scripts/cross.sh aarch64 first")
    print(report.machine(machine.describe(("sqznet",))), end="\n\n")
    tensors = weights.read(weights.DETECTOR_PATH).tensors.values()
    print(f"{sum(element_count(tensor.shape) for tensor in tensors):,} weights and biases")
    with tempfile.TemporaryDirectory(prefix="sqznet-") as name:
        counter = Counter(Path(name), options.cpu) if options.cpu else None
        for kind, path in files(Path(name)).items():
            print(f"{kind}, {path.stat().st_size:,} bytes: ", end="", flush=True)
            if counter:
                print(f"{counted(counter, path) / 1e6:.1f} million instructions, {options.cpu}")
            else:
                found = timed(path)
                middle = statistics.median(found)
                print(f"{min(found):.2f} ms at least, {middle:.2f} ms in the median of {RUNS}")


if __name__ == "__main__":
    main()
