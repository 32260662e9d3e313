"""Measures how sqznet scales with pixels, batch, threads and callers, and its worst case.

python -m benchmarks.lab.scaling [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqznet
from benchmarks import machine, report
from benchmarks.engines.base import SIZE
from benchmarks.lab import stepping, zeros
from benchmarks.lab.exchange import exchange
from benchmarks.material import find_photos, network_input, some
from benchmarks.network import Array

SIDES = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
CALLERS = 8
_WINDOW = 0.6  # seconds of each measurement with several callers

Call = Callable[[], object]


def measure(rounds: int = 15) -> dict[str, Any]:
    """All data for `text` and the plots, ready for JSON."""
    meter = machine.OthersMeter()
    threads = [t for t in (1, 2) if t <= machine.cores()]
    models = {t: sqznet.load(threads=t) for t in threads}
    photos = find_photos()
    images = {side: stepping.photo_at(photos[0], side) for side in SIDES}
    batches = network_input(some(photos, max(BATCHES)))
    record: dict[str, Any] = {}
    with exchange() as nanoseconds:
        record["exchange_ns"] = nanoseconds()
        record["pixels"] = _curves(models, images, rounds)
        record["exchange_ns"] += nanoseconds()
        record["batch"] = _curves(models, {n: batches[:n] for n in BATCHES}, rounds)
        record["exchange_ns"] += nanoseconds()
        record["callers"] = _callers(batches, max(threads))
        record["exchange_ns"] += nanoseconds()
    record["zeros"] = zeros.measure()
    record["workspace_bytes"] = workspace_bytes()
    return record | {"others_cores": meter.cores()}


def _curves(
    models: dict[int, sqznet.Model], inputs: dict[int, Array], rounds: int
) -> list[dict[str, Any]]:
    """Milliseconds of a call at each size, by threads; sizes and threads alternate."""
    samples: dict[tuple[int, int], list[float]] = {}
    for _ in range(rounds):
        for size, x in inputs.items():
            for threads, model in models.items():
                model.logits(x)
                samples.setdefault((size, threads), []).append(
                    stepping.seconds(lambda m=model, x=x: m.logits(x)) * 1e3  # type: ignore[misc]
                )
    return [
        {
            "size": size,
            "ms": {str(t): round(statistics.median(samples[size, t]), 4) for t in models},
        }
        for size in inputs
    ]


def workspace_bytes() -> int:
    """The memory of SqueezeNet 1.1 at 224 x 224 besides its weights, one image and one thread."""
    owner = stepping.executor(dict(stepping.checkpoint("1.1").tensors))
    return owner.acquire(1, SIZE, SIZE).nbytes


def _callers(photos: Array, threads: int) -> dict[str, Any]:
    """Images per second of one model by callers and pool threads, alternating; medians of three."""
    models = {t: sqznet.load(threads=t) for t in {1, threads}}
    one, many = photos[:1], photos[:16]
    ways: dict[str, tuple[int, int, Array]] = {  # pool threads, callers, input of each call
        f"1 caller, {threads} threads": (threads, 1, one),
        f"1 caller, {threads} threads, batch 16": (threads, 1, many),
        f"{threads} callers, 1 thread": (1, threads, one),
        f"{CALLERS} callers, {threads} threads": (threads, CALLERS, one),
        f"{CALLERS} callers, 1 thread": (1, CALLERS, one),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(3):
        for way, (pool, callers, x) in ways.items():
            rates[way].append(_rate(lambda m=models[pool], x=x: m.logits(x), callers) * len(x))  # type: ignore[misc]
    medians = {way: round(statistics.median(r), 2) for way, r in rates.items()}
    oversubscribed = [rate for way, rate in medians.items() if way.startswith(f"{CALLERS} ")]
    return {"images_a_second": medians, "of_best": min(oversubscribed) / max(medians.values())}


def _rate(call: Call, callers: int) -> float:
    """Calls per second of all callers together."""
    start = time.perf_counter()
    end = start + _WINDOW

    def work() -> int:
        done = 0
        while time.perf_counter() < end:
            call()
            done += 1
        return done

    with ThreadPoolExecutor(callers) as pool:
        counts = [future.result() for future in [pool.submit(work) for _ in range(callers)]]
    return sum(counts) / (time.perf_counter() - start)


def gain(record: dict[str, Any], batch: int) -> float | None:
    """The speedup by a second thread, or None on a single core."""
    ms = next(point["ms"] for point in record["batch"] if point["size"] == batch)
    return ms["1"] / ms["2"] if "2" in ms else None


def text(record: dict[str, Any]) -> str:
    """The tables."""
    threads = list(record["pixels"][0]["ms"])
    parts = [
        "SqueezeNet 1.1, batch 1, by pixels per side\n" + _table(record["pixels"], threads, "side"),
        "SqueezeNet 1.1 at 224, by batch\n" + _table(record["batch"], threads, "batch"),
    ]
    gains = [(batch, gain(record, batch)) for batch in (1, 16)]
    parts.append(
        "\n".join(f"2 threads against 1, batch {b}: {g:.2f} times as fast" for b, g in gains if g)
        or "2 threads against 1: skipped, one core usable"
    )
    if times := record["exchange_ns"]:
        parts[-1] += (
            f"\nA cache line took from one core to the other {', '.join(map(str, times))} ns"
            " (before, between and after these measurements; see benchmarks/lab/exchange.py)"
        )
    rates = record["callers"]["images_a_second"]
    rows = [("callers of one model", "images/s"), *((way, f"{r:.0f}") for way, r in rates.items())]
    parts.append(report.table(rows, right=(1,)))
    parts[-1] += f"\n{CALLERS} callers: {record['callers']['of_best']:.2f} of the best"
    parts.append(zeros.text(record["zeros"]))
    parts.append(
        "Working set besides the weights, SqueezeNet 1.1 at 224, batch 1, one thread: "
        f"{record['workspace_bytes'] / 1e6:.2f} MB"
    )
    if (record["others_cores"] or 0) > report.BUSY:
        parts.append(f"NOT A FAIR RUN: others kept {record['others_cores']:.1f} cores busy")
    return "\n\n".join(parts)


def _table(points: list[dict[str, Any]], threads: list[str], name: str) -> str:
    unit = "ns/pixel" if name == "side" else "ms/image"
    heads = [f"{t} thread{'s' if t != '1' else ''}: {u}" for t in threads for u in ("ms", unit)]
    rows = [[name, *heads]]
    for point in points:
        row = [str(point["size"])]
        for t in threads:
            ms = point["ms"][t]
            each = ms * 1e6 / point["size"] ** 2 if name == "side" else ms / point["size"]
            row += [f"{ms:.2f}", f"{each:.1f}" if name == "side" else f"{each:.2f}"]
        rows.append(row)
    return report.table(rows, right=range(len(rows[0])))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(arguments)
    print(report.machine(machine.describe(("sqznet",))), end="\n\n", flush=True)
    print(text(measure(max(1, options.rounds))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
