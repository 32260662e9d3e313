"""Photos a second of servers and of this process, in turns."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

import sqznet
from benchmarks import report
from benchmarks.serving import client
from benchmarks.serving.material import Material, plain, post, tensor
from benchmarks.serving.programs import Program

HERE, FILES = "callers of Model.classify", "Model.classify_files"
DECODED, JPEG = "sqznet serve, decoded", "sqznet serve, JPEG"


class Turn(NamedTuple):
    """Photos a second; milliseconds of processor time a photo, of who answers and of who asks;
    milliseconds from a request to its answer, in the median and for all but one in a hundred;
    requests that were not answered by status 200."""

    rate: float
    cpu: float
    asking: float
    p50: float
    p99: float
    failed: int


Round = Mapping[str, Turn]
Work = Callable[[float], Turn]  # for so many seconds


def turns(
    model: sqznet.Model,
    material: Material,
    callers: int,
    ours: Program,
    rivals: Mapping[str, Program],
    elsewhere: Executor,
) -> dict[str, Work]:
    """What is measured, by name. ``elsewhere``: a process for the callers of servers."""
    tensors = [tensor(photo) for photo in material.decoded]
    files = [post("/classify", file) for file in material.files]
    pixels = [plain(photo) for photo in material.decoded]

    def asked(program: Program, requests: Sequence[bytes]) -> Work:
        def work(seconds: float) -> Turn:
            before = program.cpu()
            load = elsewhere.submit(
                client.call, program.address, requests, callers, seconds
            ).result()
            return _turn(load, program.cpu() - before)

        return work

    found: dict[str, Work] = {
        HERE: lambda seconds: _called(model, material, callers, seconds),
        DECODED: asked(ours, tensors),
        FILES: lambda seconds: _classified(model, material, seconds),
        JPEG: asked(ours, files),
    }
    for engine, program in rivals.items():
        found[f"{engine} + FastAPI, decoded"] = asked(program, pixels)
        found[f"{engine} + FastAPI, JPEG"] = asked(program, files)
    return found


def measure(works: Mapping[str, Work], rounds: int, seconds: float) -> list[Round]:
    """So many rounds, after a short one that warms everything up."""
    for work in works.values():
        work(seconds / 4)
    return [{name: work(seconds) for name, work in works.items()} for _ in range(rounds)]


def rows(measured: Sequence[Round]) -> list[tuple[str, ...]]:
    """A heading, then a line for each name: medians of the rounds."""
    head = ("", "photos/s", "CPU ms", "callers' CPU ms", "p50 ms", "p99 ms")
    table: list[tuple[str, ...]] = [head]
    for name in measured[0]:
        middle = [
            statistics.median(taken[name][i] for taken in measured)
            for i in range(len(Turn._fields) - 1)
        ]
        rate, cpu, asking, p50, p99 = middle
        latency = (f"{p50:.1f}", f"{p99:.1f}") if p50 else ("", "")
        asked = f"{asking:.2f}" if p50 else ""
        table.append((name, f"{rate:.0f}", f"{cpu:.2f}", asked, *latency))
    return table


def said(measured: Sequence[Round]) -> list[str]:
    """How the server compares with this process, and what failed."""
    goals = ((DECODED, HERE, 0.9), (JPEG, FILES, 0.85))
    lines = [
        f"{served}: {_ratio(measured, served, here):.2f} of {here} (goal {goal})"
        for served, here, goal in goals
    ]
    for name in measured[0]:
        if "FastAPI" in name:
            own = JPEG if "JPEG" in name else DECODED
            lines.append(f"{own}: {_ratio(measured, own, name):.2f} times {name}")
    return lines


def failures(measured: Sequence[Round]) -> int:
    return sum(turn.failed for taken in measured for turn in taken.values())


def _ratio(measured: Sequence[Round], one: str, other: str) -> float:
    return statistics.median(taken[one].rate / taken[other].rate for taken in measured)


def table(measured: Sequence[Round]) -> str:
    return report.table(rows(measured), right=range(1, 6))


def _turn(load: client.Load, cpu: float) -> Turn:
    done = max(1, load.statuses.get(200, 0))
    p50, p99 = np.percentile(load.milliseconds or [0.0], (50, 99))
    failed = load.lost + sum(n for status, n in load.statuses.items() if status != 200)
    return Turn(load.rate, 1e3 * cpu / done, 1e3 * load.cpu / done, float(p50), float(p99), failed)


def _called(model: sqznet.Model, material: Material, callers: int, seconds: float) -> Turn:
    """So many threads of this process, each with its own photos."""
    done: Counter[int] = Counter()
    start, cpu = time.perf_counter(), time.process_time()

    def call(caller: int) -> None:
        first = caller * len(material.decoded) // callers
        for photo in itertools.cycle([*material.decoded[first:], *material.decoded[:first]]):
            if time.perf_counter() >= start + seconds:
                return
            model.classify(photo)
            done[caller] += 1

    threads = [threading.Thread(target=call, args=(i,)) for i in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Turn(done.total() / taken, 1e3 * cpu / done.total(), 0, 0, 0, 0)


def _classified(model: sqznet.Model, material: Material, seconds: float) -> Turn:
    start, cpu = time.perf_counter(), time.process_time()
    count = 0
    for _ in model.classify_files(itertools.cycle(material.paths)):
        count += 1
        if time.perf_counter() >= start + seconds:
            break
    taken, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Turn(count / taken, 1e3 * cpu / count, 0, 0, 0, 0)
