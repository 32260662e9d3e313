"""Measures 8-bit integers beside float32, layer by layer: one photo, one thread, in turns.

python -m benchmarks.lab.int8 [--isa SET] [--weights FILE] [--rounds N]

Without --isa: the best set of this machine. FILE needs scales, as `sqznet quantize` writes them;
default: the bundled SqueezeNet 1.1.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import sqznet
from benchmarks import machine, report
from benchmarks.material import find_photos

PRECISIONS = ("float32", "int8")


class Run:
    """A network and its input, which can run again and again."""

    def __init__(self, precision: str, weights: str | None, isa: str | None, photo: Path) -> None:
        model: Any = sqznet.load(weights, precision=precision, isa=isa, threads=1)
        kernels = model.executor.kernels
        self.isa = kernels.int8.isa if precision == "int8" else kernels.f32.isa
        self.workspace = model.executor.acquire(1, *model.preprocessing.size)
        network = model.executor.network
        known = {layer: name for name, layer in network.layer_names.items()}
        layers = [network.layers[index].name for index, _ in self.workspace.by_layer()]
        self.names = [known.get(layer, layer) for layer in layers]
        self.feed = partial(model.feed, model.decode(str(photo)), self.workspace.image(0))
        self.times: list[list[float]] = []

    def once(self) -> None:
        self.feed()  # again, since later steps overwrite it
        times = []
        for _, steps in self.workspace.by_layer():
            start = perf_counter()
            for step in steps:
                step()
            times.append((perf_counter() - start) * 1e3)
        self.times.append(times)

    def medians(self) -> list[float]:
        """Milliseconds of each layer."""
        return [statistics.median(column) for column in zip(*self.times, strict=True)]


def measure(weights: str | None, isa: str | None, photo: Path, rounds: int) -> str:
    """The table."""
    runs = [Run(precision, weights, isa, photo) for precision in PRECISIONS]
    for number in range(rounds + 10):
        for run in runs if number % 2 else runs[::-1]:
            run.once()
    for run in runs:
        del run.times[:10]
    floats, integers = (run.medians() for run in runs)
    rows: list[tuple[str, ...]] = [("layer", "float32 ms", "int8 ms", "ratio")]
    for name, before, after in zip(runs[0].names, floats, integers, strict=True):
        rows.append((name, f"{before:.3f}", f"{after:.3f}", f"{after / before:.2f}"))
    # A busy machine disturbs the fastest round least.
    for name, of in (("whole", statistics.median), ("fastest round", min)):
        whole = [of(map(sum, run.times)) for run in runs]
        rows.append((name, *(f"{ms:.3f}" for ms in whole), f"{whole[1] / whole[0]:.2f}"))
    sizes = [run.workspace.nbytes / 1e6 for run in runs]
    rows.append(("memory, MB", *(f"{mb:.2f}" for mb in sizes), f"{sizes[1] / sizes[0]:.2f}"))
    return (
        f"{photo.name}, one thread, float32 by {runs[0].isa}, int8 by {runs[1].isa}, medians of "
        f"{rounds} rounds\n{report.table(rows, right=range(1, 4))}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab.int8", description=__doc__)
    parser.add_argument("--isa", metavar="SET", help="as for sqznet's --isa")
    parser.add_argument("--weights", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args(arguments)
    print(report.machine(machine.describe(("sqznet",))), end="\n\n", flush=True)
    meter = machine.OthersMeter()
    print(measure(options.weights, options.isa, find_photos()[0], max(1, options.rounds)))
    if (others := meter.cores() or 0) > report.BUSY:
        print(f"NOT A FAIR RUN: others kept {others:.1f} cores busy")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
