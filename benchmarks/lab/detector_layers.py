"""Measures the bundled detector's time by layer: a real photo, one thread.

python -m benchmarks.lab.detector_layers [--photo FILE] [--rounds N] [--isa NAME] [--precision NAME]

Layers that the levels share have a line for each level. The figures are of use on an idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

import sqznet
from benchmarks import machine, report
from benchmarks.detection import PHOTO, network
from sqznet.network.layers import Network


def measure(detector: sqznet.Detector, photo: str, rounds: int) -> list[list[float]]:
    """The seconds of each layer, in each round; the first, which warms up, is left out."""
    feed, _, workspace = network(detector, photo)
    layers = [steps for _, steps in workspace.by_layer()]
    taken = []
    for _ in range(rounds + 1):
        feed()
        marks = [time.perf_counter()]
        for steps in layers:
            for step in steps:
                step()
            marks.append(time.perf_counter())
        taken.append([after - before for before, after in pairwise(marks)])
    return taken[1:]


def densities(detector: sqznet.Detector, photo: str) -> list[float]:
    """The share of numbers in each layer's input that are not zero."""
    feed, _, workspace = network(detector, photo)
    feed()
    found, operands = [], iter(workspace.operands)
    for _, steps in workspace.by_layer():
        x = np.array(next(operands)[0])
        found.append(float(np.count_nonzero(x) / x.size))
        for _ in steps[1:]:
            next(operands)
        for step in steps:
            step()
    return found


def multiplications(net: Network, height: int, width: int) -> list[int]:
    """Of each layer, without any saving."""
    shapes = net.shapes(height, width)
    return [
        rows
        * columns
        * sum(int(np.prod(s)) for s in layer.tensors(channels).values() if len(s) > 1)
        for (rows, columns, _), (layer, channels) in zip(shapes, net.inputs(), strict=True)
    ]


def rows(detector: sqznet.Detector, photo: str, rounds: int) -> list[tuple[str, ...]]:
    """A heading, then a line for each layer and for all of them."""
    net = detector.executor.network
    runs = measure(detector, photo, rounds)
    medians = [1e3 * statistics.median(column) for column in zip(*runs, strict=True)]
    macs = multiplications(net, *detector.size)
    table: list[tuple[str, ...]] = [("layer", "median ms", "share", "MMAC", "density")]
    lines = zip(net.map_names, medians, macs, densities(detector, photo), strict=True)
    for name, median, count, density in lines:
        share = f"{median / sum(medians):.1%}"
        table.append((name, f"{median:.3f}", share, f"{count / 1e6:.1f}", f"{density:.2f}"))
    whole = 1e3 * statistics.median(map(sum, runs))
    table.append(("all", f"{whole:.3f}", "100.0%", f"{sum(macs) / 1e6:.1f}", ""))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lab.detector_layers", description=__doc__
    )
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--isa")
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args(arguments)
    detector = sqznet.load_detector(threads=1, isa=options.isa, precision=options.precision)
    meter = machine.OthersMeter()
    table = rows(detector, str(options.photo), max(1, options.rounds))
    print(report.table(table, right=range(1, 5)))
    cores = meter.cores()
    busy = "" if cores is None else f"; other programs kept {cores:.1f} cores busy"
    print(f"\n{detector.isa}, {options.rounds} rounds{busy}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
