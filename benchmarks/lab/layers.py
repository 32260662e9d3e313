"""Measures sqznet's time by layer: SqueezeNet 1.0 and 1.1 on a real photo, one thread.

python -m benchmarks.lab.layers [--photo FILE] [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqznet
from benchmarks import machine, report
from benchmarks.engines.base import SIZE
from benchmarks.lab import stepping
from benchmarks.material import MissingError, find_photos

VARIANTS = ("1.1", "1.0")

# Multiply-adds that remain if the 1x1 layers skip zeros and the 3x3 layers use Winograd's
# algorithm: means over photos, counted with the trained weights.
NEEDED_MACS = {"1.1": 104e6, "1.0": 240e6}


def measure(photo: Path | None = None, rounds: int = 300) -> dict[str, Any]:
    """All data for `text` and the plots, ready for JSON."""
    photo = photo or find_photos()[0]
    networks = {}
    meter = machine.OthersMeter()
    peaks = [stepping.peak_macs()]
    for variant in VARIANTS:
        try:
            tensors = dict(stepping.checkpoint(variant).tensors)
        except MissingError as missing:
            networks[variant] = {"skipped": str(missing)}
            continue
        networks[variant] = _network(variant, tensors, photo, rounds)
    peaks.append(stepping.peak_macs())
    return {
        "isa": sqznet.load(threads=1).isa,
        "photo": photo.name,
        "rounds": rounds,
        "peak_gmacs": round(max(peaks) / 1e9, 2),
        "others_cores": meter.cores(),
        "networks": networks,
    }


def _network(variant: str, tensors: dict[str, Any], photo: Path, rounds: int) -> dict[str, Any]:
    steps = stepping.Steps(stepping.executor(tensors), stepping.photo_at(photo, SIZE))
    macs = stepping.multiplications(variant, SIZE, SIZE)
    densities = steps.densities()
    for _ in range(10):
        steps.once()
    runs = [steps.once() for _ in range(rounds)]
    columns = list(zip(*runs, strict=True))
    return {
        "median_ms": round(statistics.median(map(sum, runs)) * 1e3, 4),
        "min_ms": round(min(map(sum, runs)) * 1e3, 4),
        "workspace_bytes": steps.workspace.nbytes,
        "layers": [
            {
                "name": name,
                "median_ms": round(statistics.median(column) * 1e3, 4),
                "min_ms": round(min(column) * 1e3, 4),
                "macs": macs.get(name, 0),
                "density": round(density, 4),
            }
            for name, column, density in zip(steps.names, columns, densities, strict=True)
        ],
    }


def effective_gmacs(layer: dict[str, Any]) -> float:
    """Nominal multiply-adds (1e9) per second; above the peak if work was saved."""
    return float(layer["macs"] / layer["median_ms"] / 1e6)


def achieved(record: dict[str, Any], variant: str) -> dict[str, float] | None:
    """The time of the required multiplications at the peak, and its share of the median."""
    found = record["networks"].get(variant, {})
    if "median_ms" not in found:
        return None
    limit = NEEDED_MACS[variant] / record["peak_gmacs"] / 1e6
    return {
        "limit_ms": limit,
        "of_median": limit / found["median_ms"],
        "of_min": limit / found["min_ms"],
    }


def text(record: dict[str, Any]) -> str:
    """The tables."""
    peak = record["peak_gmacs"]
    parts = [
        f"One photo ({record['photo']}), one thread, {record['isa']} kernels, "
        f"{record['rounds']} runs.\nMMAC: nominal, as in a dense network. "
        "GMAC/s: nominal work over time, so saved work counts.\n"
        "Density: share of non-zeros in the layer's input.\n"
        f"Attainable peak of one core: {peak:.1f} GMAC/s (the best dense convolution with its "
        "operands in cache).",
        *(_table(record, variant, found) for variant, found in record["networks"].items()),
    ]
    if (record["others_cores"] or 0) > report.BUSY:
        parts.append(f"NOT A FAIR RUN: others kept {record['others_cores']:.1f} cores busy")
    return "\n\n".join(parts)


def _table(record: dict[str, Any], variant: str, found: dict[str, Any]) -> str:
    if "skipped" in found:
        return f"SqueezeNet {variant} skipped: {found['skipped']}"
    rows = [("layer", "median ms", "min ms", "share", "MMAC", "GMAC/s", "density")]
    total = sum(layer["median_ms"] for layer in found["layers"])
    macs = sum(layer["macs"] for layer in found["layers"])
    for layer in found["layers"]:
        rows.append(
            (
                layer["name"],
                f"{layer['median_ms']:.3f}",
                f"{layer['min_ms']:.3f}",
                f"{layer['median_ms'] / total:.1%}",
                f"{layer['macs'] / 1e6:.1f}" if layer["macs"] else "-",
                f"{effective_gmacs(layer):.0f}" if layer["macs"] else "-",
                f"{layer['density']:.2f}",
            )
        )
    whole = {"macs": macs, "median_ms": found["median_ms"]}
    times = (f"{found['median_ms']:.3f}", f"{found['min_ms']:.3f}", "100.0%")
    rows.append(("whole", *times, f"{macs / 1e6:.1f}", f"{effective_gmacs(whole):.0f}", ""))
    limit = achieved(record, variant)
    assert limit is not None
    return (
        f"SqueezeNet {variant}\n{report.table(rows, right=range(1, 7))}\n"
        f"limit: {NEEDED_MACS[variant] / 1e6:.0f} M remaining multiply-adds at the peak: "
        f"{limit['limit_ms']:.2f} ms; reached {limit['of_median']:.2f} of it by the median, "
        f"{limit['of_min']:.2f} by the fastest run"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab.layers", description=__doc__)
    parser.add_argument("--photo", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args(arguments)
    print(report.machine(machine.describe(("sqznet",))), end="\n\n", flush=True)
    print(text(measure(options.photo, max(1, options.rounds))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
