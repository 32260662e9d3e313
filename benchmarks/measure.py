"""Runs one case: every engine in its own process, in interleaved rounds.

In each round every engine has one short turn, and the order rotates from round to round, so that
a slow spell of the machine falls on all of them and medians stay comparable. An engine whose
answers are not right is reported, not timed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import engines, network
from benchmarks.cases import Case
from benchmarks.machine import OthersMeter, cores
from benchmarks.material import MissingError, find_photos, load_weights, network_input, some
from benchmarks.results import CaseResult, EngineResult
from benchmarks.worker import Worker, WorkerError

_CHECKED_PHOTOS = 10
_LEAST_AGREEING = 7  # of those: resizing without antialiasing moves some top-1, not most
_PHOTOS_A_TURN = 5
_COLD_TIMEOUT = 120.0

Turn = Callable[[int], list[float]]  # round number -> milliseconds


@dataclass(frozen=True)
class Setup:
    """The options of the command line."""

    engines: tuple[str, ...]
    rounds: int
    photos: Path | None = None
    weights: dict[str, Path] | None = None  # by variant


def run(case: Case, setup: Setup) -> CaseResult:
    """Measures one case; engines that cannot run are in the result with a reason."""
    results = [EngineResult(name) for name in _engines(case, setup)]
    if case.threads > cores():
        reason = f"needs {case.threads} cores, {cores()} usable"
        return CaseResult(case, results, skipped=reason)
    try:
        weights = load_weights(case.variant, (setup.weights or {}).get(case.variant))
        photos = find_photos(setup.photos)
    except MissingError as error:
        return CaseResult(case, results, skipped=str(error))
    kinds = {"latency": _Latency, "int8": _Latency, "jpeg": _Jpeg, "cold": _Cold}
    kind = kinds[case.kind](case, weights, photos)
    meter = OthersMeter()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sqznet-bench-"))
        turns: list[tuple[EngineResult, Turn]] = []
        for result in results:
            worker = Worker(result.engine, case.threads or cores(), Path(folder) / result.engine)
            stack.callback(worker.close)
            try:
                turns.append((result, kind.start(worker, result)))
                worker.rest()
            except WorkerError as error:
                result.skipped = str(error)
                worker.close()
        for number in range(setup.rounds):
            shift = number % max(len(turns), 1)
            for result, turn in turns[shift:] + turns[:shift]:
                if result.skipped is None:
                    _take(result, turn, number)
    return CaseResult(case, results, others=meter.cores())


def _engines(case: Case, setup: Setup) -> list[str]:
    if case.kind != "int8":
        return list(setup.engines)
    own = list(engines.OWN) if engines.OURS in setup.engines else []
    return own + [
        engines.INT8[name]
        for name in setup.engines
        if name in engines.INT8 and name != engines.OURS
    ]


def _take(result: EngineResult, turn: Turn, number: int) -> None:
    try:
        result.samples += turn(number)
    except WorkerError as error:
        result.skipped = f"failed in round {number + 1}: {error}"
        result.samples.clear()


class _Kind:
    """A kind of case: `start` checks one engine and returns its turn in a round."""

    def __init__(self, case: Case, weights: dict[str, network.Array], photos: list[Path]) -> None:
        self.case, self.weights, self.photos = case, weights, photos
        self.plan = network.layers(case.variant)
        self.prepare()

    def prepare(self) -> None:
        """Once for all engines."""

    def start(self, worker: Worker, result: EngineResult) -> Turn:
        raise NotImplementedError

    def reference(self, inputs: network.Array) -> network.Reference:
        return network.forward(self.plan, self.weights, inputs)


class _Latency(_Kind):
    def prepare(self) -> None:
        self.inputs = network_input(some(self.photos, self.case.batch))
        self.expected = self.reference(self.inputs)

    def start(self, worker: Worker, result: EngineResult) -> Turn:
        worker.prepare(self.case.variant, self.weights, self.case.shape)
        logits = worker.logits(self.inputs)
        result.error = relative_error(logits, self.expected)
        if not result.error <= engines.get(result.engine).tolerance:
            raise WorkerError(f"wrong answer: error {result.error:.1e} of the largest logit")
        batch = self.case.batch
        calls = 5 if batch == 1 else 2

        def turn(number: int) -> list[float]:
            seconds = worker.time(calls)
            worker.rest()
            return [s * 1e3 / batch for s in seconds]

        return turn


class _Jpeg(_Kind):
    def prepare(self) -> None:
        self.checked = some(self.photos, _CHECKED_PHOTOS)
        self.expected = self.reference(network_input(self.checked)).argmax(axis=1)

    def start(self, worker: Worker, result: EngineResult) -> Turn:
        worker.prepare(self.case.variant, self.weights, self.case.shape)
        best = np.array([classes[0] for _, classes in worker.top5(self.checked)])
        agreeing = int((best == self.expected).sum())
        if agreeing < _LEAST_AGREEING:
            raise WorkerError(f"wrong answer: {agreeing} of {_CHECKED_PHOTOS} photos named right")

        def turn(number: int) -> list[float]:
            photos = some(self.photos, _PHOTOS_A_TURN, number * _PHOTOS_A_TURN)
            seconds = worker.top5(photos)
            worker.rest()
            return [s * 1e3 for s, _ in seconds]

        return turn


class _Cold(_Kind):
    def prepare(self) -> None:
        self.photo = str(self.photos[0])
        self.expected = int(self.reference(network_input([self.photo])).argmax())

    def start(self, worker: Worker, result: EngineResult) -> Turn:
        model = worker.prepare(self.case.variant, self.weights, self.case.shape, load=False)
        worker.close()  # only its file is needed
        # The first one also fills the system's file cache.
        _, _, best = cold_start(result.engine, model, self.photo)
        if best != self.expected:
            raise WorkerError(f"wrong answer: class {best}, not {self.expected}")

        def turn(number: int) -> list[float]:
            milliseconds, peak, _ = cold_start(result.engine, model, self.photo)
            result.peak_mb = max(peak, result.peak_mb or 0.0)
            return [milliseconds]

        return turn


def cold_start(engine: str, model: str, photo: str) -> tuple[float, float, int]:
    """A fresh interpreter classifies one photo: (milliseconds, peak MB, class)."""
    script = str(Path(__file__).with_name("cold_child.py"))
    command = [sys.executable, script, engine, model, str(cores()), photo]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_COLD_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WorkerError(f"no answer within {_COLD_TIMEOUT:.0f} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise WorkerError(f"the fresh interpreter failed: {last}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["ms"], answer["peak_mb"], answer["best"]


def relative_error(logits: network.Array, expected: network.Reference) -> float:
    """Largest difference over the largest logit; infinite for a wrong shape, NaN stays NaN."""
    if logits.shape != expected.shape:
        return float("inf")
    return float(np.abs(logits - expected).max() / np.abs(expected).max())
