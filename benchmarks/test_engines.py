"""Each engine in each case under pytest-benchmark (`--benchmark-autosave`, `--benchmark-compare`).

Engines run in processes of their own here too: in one process their OpenMP copies and thread
pools get in each other's way, and some then run on one thread. For ratios use
`python -m benchmarks.compare`, which also interleaves them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

from benchmarks import cases, engines, network
from benchmarks.engines.base import Engine
from benchmarks.material import find_photos, network_input, some
from benchmarks.measure import cold_start, relative_error

pytest.importorskip("pytest_benchmark", reason="pip install '.[bench]'")

Test = TypeVar("Test", bound=Callable[..., None])


class EngineClock:
    """A clock that advances only by the times that an engine reports from its process."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def replay(self, seconds: Iterable[float]) -> Callable[[], None]:
        """A function that takes these times, one after another, for pytest-benchmark."""
        times = iter(seconds)

        def step() -> None:
            self.now += next(times)

        return step


CLOCK = EngineClock()


def of_kind(kind: str) -> Callable[[Test], Test]:
    """Every engine in every case of a kind."""
    chosen = [case for case in cases.CASES if case.kind == kind]
    by_case = pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)
    by_engine = pytest.mark.parametrize("name", engines.NAMES)
    return lambda test: by_case(by_engine(test))


@of_kind("latency")
@pytest.mark.benchmark(timer=CLOCK)
def test_latency(
    name: str, case: cases.Case, start: Any, weights: Callable[[str], Any], benchmark: Any
) -> None:
    worker, _ = start(name, case)
    inputs = network_input(some(find_photos(), case.batch))
    expected = network.forward(network.layers(case.variant), weights(case.variant), inputs)
    assert relative_error(worker.logits(inputs), expected) <= Engine.tolerance
    rounds = 40 if case.batch == 1 else 5
    benchmark.group = case.title.replace("per image", "per batch")
    benchmark.pedantic(CLOCK.replay(worker.time(rounds)), rounds=rounds)


@of_kind("jpeg")
@pytest.mark.benchmark(timer=CLOCK)
def test_jpeg_to_top5(name: str, case: cases.Case, start: Any, benchmark: Any) -> None:
    worker, _ = start(name, case)
    done = worker.top5(some(find_photos(), 20))
    assert all(len(set(best)) == 5 for _, best in done)
    benchmark.group = case.title
    benchmark.pedantic(CLOCK.replay(seconds for seconds, _ in done), rounds=len(done))


@of_kind("cold")
@pytest.mark.benchmark(timer=CLOCK)
def test_cold_start(name: str, case: cases.Case, start: Any, benchmark: Any) -> None:
    worker, path = start(name, case)
    worker.close()
    photo = str(find_photos()[0])
    done = [cold_start(name, path, photo) for _ in range(4)][1:]
    benchmark.group = case.title
    benchmark.extra_info["peak_mb"] = max(peak for _, peak, _ in done)
    benchmark.pedantic(CLOCK.replay(ms / 1e3 for ms, _, _ in done), rounds=len(done))
