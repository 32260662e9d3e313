"""The memory of a process that loads, classifies, learns and fails for a long time.

`python -m benchmarks.soak.memory FOLDER SECONDS` prints a line for each measurement: seconds,
rounds of work, and resident megabytes after a garbage collection and malloc_trim, which gives what
the allocator keeps for reuse back to the system.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import pickle
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

import sqznet
from benchmarks.soak import material
from benchmarks.soak.hostile import damaged
from benchmarks.soak.outcome import until

_MEASUREMENTS = 20


class Measured(NamedTuple):
    seconds: float
    rounds: int
    megabytes: float


def run(folder: Path, seconds: float) -> list[Measured]:
    """The measurements, the first of them after everything has run once."""
    material.write_weights(folder)
    command = [sys.executable, "-m", "benchmarks.soak.memory", str(folder), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return [Measured(float(at), int(rounds), float(held)) for at, rounds, held in rows]


def growth(measured: list[Measured]) -> float:
    """Megabytes from the first to the last tenth, in the median of each."""
    part = max(1, len(measured) // 10)
    first, last = ([m.megabytes for m in each] for each in (measured[:part], measured[-part:]))
    return float(np.median(last) - np.median(first))


def _work(folder: Path, model: sqznet.Model, number: int) -> None:
    chance = random.Random(number)
    image = material.encoded(number % 50, chance.choice(material.PHOTOS))
    model.classify(image)
    model.classify([material.photo(number % 50)] * (1 + number % 3))
    model.heatmap(image)
    for seed in range(4):
        with suppress(sqznet.SqznetError):
            model.classify(damaged(image, random.Random(number + seed)))
    path = folder / f"small0.{chance.choice(material.WEIGHTS)}"
    other = sqznet.load(path, threads=1 + number % 2)
    other.embed(image)
    asyncio.run(other.aclassify(image))
    pickle.loads(pickle.dumps(other))
    broken = folder / f"broken{path.suffix}"
    broken.write_bytes(damaged(path.read_bytes(), chance))
    with suppress(sqznet.SqznetError):
        sqznet.load(broken)
    recognizer = sqznet.learn({"a": [image]}, model=other, report=lambda _: None)
    recognizer.add("b", [material.photo(number % 50)])
    recognizer.classify(image)
    for _ in sqznet.watch([material.photo(1)] * 3, model=model):
        pass


def _resident() -> float:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _child(folder: Path, seconds: float) -> None:
    model = sqznet.load(folder / "small0.npz")
    rounds = 0
    for _ in until(min(120.0, seconds / 5)):  # every path of the code once, and all caches full
        _work(folder, model, rounds)
        rounds += 1
    began = time.monotonic()
    for _ in range(_MEASUREMENTS):
        print(f"{time.monotonic() - began:.0f} {rounds} {_resident():.2f}", flush=True)
        for _ in until(seconds / _MEASUREMENTS):
            _work(folder, model, rounds)
            rounds += 1
    print(f"{time.monotonic() - began:.0f} {rounds} {_resident():.2f}", flush=True)


if __name__ == "__main__":
    _child(Path(sys.argv[1]), float(sys.argv[2]))
