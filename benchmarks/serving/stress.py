"""More requests than a server takes, and the end of a server that is busy."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from benchmarks.serving import client
from benchmarks.serving.programs import served

TAKEN = 16  # requests that the server takes at a time
CROWD = 128  # callers
_STOP_AFTER = 1.0  # seconds
# The latest answer may take this many times as long as all requests that are taken. Without
# refusals it would take CROWD / TAKEN times as long.
_BOUND = 4


def overload(requests: Sequence[bytes], seconds: float, elsewhere: Executor) -> tuple[str, int]:
    """What callers saw, and how many failures there were: anything but answers and refusals, and
    answers that come too late."""
    lines: list[str] = []
    failures = 0
    for patient in (True, False):
        with served("-q", "--max-requests", str(TAKEN)) as program:
            load = elsewhere.submit(
                client.call, program.address, requests, CROWD, seconds, patient
            ).result()
        refused = load.statuses.get(429, 0)
        p50, p99 = np.percentile(load.milliseconds or [0.0], (50, 99))
        bound = 1e3 * _BOUND * TAKEN / load.rate
        behavior = "that wait as they are told" if patient else "that come back at once"
        lines.append(
            f"{CROWD} callers {behavior}, {TAKEN} taken: {load.rate:.0f} answers/s, "
            f"{refused / load.seconds:.0f} refusals/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms "
            f"(bound {bound:.0f}), {load.lost} lost"
        )
        others = sum(load.statuses.values()) - load.statuses.get(200, 0) - refused
        failures += load.lost + others + (p99 > bound)
    return "\n".join(lines), failures


def stopped(requests: Sequence[bytes], callers: int, elsewhere: Executor) -> tuple[str, int]:
    """SIGTERM under load: what its log says that it answered, its callers must have got."""
    with served() as program:
        asking = elsewhere.submit(client.call, program.address, requests, callers, 3 * _STOP_AFTER)
        time.sleep(_STOP_AFTER)
        program.process.send_signal(signal.SIGTERM)
        code = program.process.wait(60)
        load = asking.result()
        logged = statuses(program.log)
    failures = (code != 0) + (logged != Counter(load.statuses))
    text = (
        f"SIGTERM under load: exit code {code}; accepted and answered {logged.total()}, "
        f"callers got {sum(load.statuses.values())}"
    )
    return text, failures


def statuses(log: Path) -> Counter[int]:
    """How many requests had each status, by the log of a server."""
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return Counter(line["status"] for line in lines if line["event"] == "request")
