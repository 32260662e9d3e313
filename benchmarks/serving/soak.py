"""Minutes of load with failures: every request counted, every answer looked at, memory flat."""

from __future__ import annotations

import random
import re
import statistics
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence

import sqznet
from benchmarks.serving import client
from benchmarks.serving.material import post
from benchmarks.serving.programs import Program, served
from benchmarks.serving.visitors import BODY, LIMIT, Visitors
from benchmarks.soak.outcome import until

_MOST_GROWTH = 2.0  # MB of memory
_SAMPLES = 40
_WARM = 0.2  # of the time: until everything has happened once
_CROWD = 128  # callers of a burst, twice as many as are taken
_BURST, _BETWEEN = 2.0, 10.0  # seconds

_COUNTED = re.compile(
    rb'^sqznet_requests_total\{route="(\w+)",status="(\d+)"\} ([0-9.e+]+)$', re.MULTILINE
)


class Tally:
    """What visitors of all kinds saw; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.unread = 0  # requests whose answer nobody read
        self.faults: list[str] = []

    def add(self, kind: str, status: int, count: int = 1, fault: str = "") -> None:
        with self._lock:
            self.kinds[kind] += count
            if status:
                self.statuses[status] += count
            if fault:
                self.faults.append(f"{kind}: {fault}")

    def leave(self) -> None:
        with self._lock:
            self.unread += 1

    def unaccounted(self, counted: Counter[int]) -> str:
        """How the requests that the server counted differ from these, or nothing."""
        more = counted.copy()
        more.subtract(self.statuses)
        if min(more.values(), default=0) < 0 or more.total() != self.unread:
            return (
                f"counted by the server: {dict(counted)}; seen: {dict(self.statuses)}, "
                f"and {self.unread} not read"
            )
        return ""


def run(files: Sequence[bytes], seconds: float) -> int:
    """Exit code 0 if nothing failed."""
    model = sqznet.load()
    labels = [found[0].label for found in model.classify(list(files), 1)]
    tally = Tally()
    options = ("-q", "--max-seconds", f"{LIMIT:g}", "--max-body", str(BODY))
    with served(*options) as program:
        visitors = Visitors(program.address, files, labels)
        end = time.monotonic() + seconds
        threads = [
            threading.Thread(target=_visit, args=(visitors, name, tally, end))
            for name in visitors.kinds
        ]
        threads.append(threading.Thread(target=_bursts, args=(program, files, tally, end)))
        for thread in threads:
            thread.start()
        memory = _memory(program, seconds)
        for thread in threads:
            thread.join()
        counted = _counted(program)
        program.process.terminate()
        code = program.process.wait(60)
        log = program.log.read_text()
    part = max(1, len(memory) // 10)
    growth = statistics.median(memory[-part:]) - statistics.median(memory[:part])
    print("memory, MB: " + " ".join(f"{held:.0f}" for held in memory))
    for kind, count in sorted(tally.kinds.items()):
        print(f"{kind:<24}{count:>9,}")
    print(f"answers by status: {dict(sorted(tally.statuses.items()))}; {tally.unread} not read")
    print(
        f"memory: {memory[0]:.1f} MB, {growth:+.2f} MB in {seconds * (1 - _WARM) / 60:.1f} minutes"
    )
    faults = list(tally.faults)
    if said := tally.unaccounted(counted):
        faults.append(said)
    if growth >= _MOST_GROWTH:
        faults.append(f"memory grew by {growth:.2f} MB")
    if code or log:
        faults.append(f"the server ended with {code}: {log[-2000:]}")
    print("\n".join(faults[:20]) or "nothing lost, every request counted, every answer as expected")
    return 1 if faults else 0


def _visit(visitors: Visitors, kind: str, tally: Tally, end: float) -> None:
    chance = random.Random(kind)
    while time.monotonic() < end:
        try:
            visit = visitors.kinds[kind](chance)
        except OSError as error:
            tally.add(kind, 0, fault=f"{type(error).__name__}: {error}")
            continue
        tally.add(kind, visit.status, fault=visit.fault)
        if visit.is_counted and not visit.status:
            tally.leave()


def _bursts(program: Program, files: Sequence[bytes], tally: Tally, end: float) -> None:
    requests = [post("/classify", file) for file in files]
    while time.monotonic() + _BETWEEN < end:
        time.sleep(_BETWEEN)
        load = client.call(program.address, requests, _CROWD, _BURST)
        for status, count in load.statuses.items():
            fault = "" if status in (200, 408, 429, 503) else f"status {status}"
            tally.add("bursts", status, count, fault)
        if load.lost:
            tally.add("bursts", 0, load.lost, f"{load.lost} lost")


def _memory(program: Program, seconds: float) -> list[float]:
    """Megabytes of the server, measured in equal steps once it is warm."""
    time.sleep(_WARM * seconds)
    found: list[float] = []
    for _ in range(_SAMPLES):
        found.append(program.resident())
        time.sleep((1 - _WARM) * seconds / _SAMPLES)
    return found


def _counted(program: Program) -> Counter[int]:
    """The requests of all statuses that the server says it has answered, without this one."""
    host, port = program.address
    for _ in until(2 * LIMIT):  # the last ones may still be under way
        with urllib.request.urlopen(f"http://{host}:{port}/metrics") as answer:
            text = answer.read()
        if b"sqznet_requests_inside 0.0" in text:
            break
        time.sleep(0.1)
    found: Counter[int] = Counter()
    for route, status, count in _COUNTED.findall(text):
        if route != b"counters":
            found[int(status)] += int(float(count))
    return found
