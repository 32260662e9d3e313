"""Shared by the pytest-benchmark versions. Run them with `pytest benchmarks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import pytest

from benchmarks import machine, network
from benchmarks.cases import Case
from benchmarks.material import MissingError, load_weights
from benchmarks.worker import Worker, WorkerError

Weights = dict[str, network.Array]
Start = Callable[[str, Case], tuple[Worker, str]]


@pytest.fixture(scope="session")
def weights() -> Callable[[str], Weights]:
    """Weights of a variant, read once; skips if they are missing."""
    read = lru_cache(load_weights)

    def get(variant: str) -> Weights:
        try:
            return read(variant)
        except MissingError as error:
            pytest.skip(str(error))

    return get


@pytest.fixture
def start(weights: Callable[[str], Weights], tmp_path: Path) -> Iterator[Start]:
    """An engine in its own process, and its model file; skips if the engine is not installed."""
    with ExitStack() as stack:

        def make(name: str, case: Case) -> tuple[Worker, str]:
            if case.threads > machine.cores():
                pytest.skip(f"needs {case.threads} cores, {machine.cores()} usable")
            worker = Worker(name, case.threads or machine.cores(), tmp_path)
            stack.callback(worker.close)
            try:
                load = case.kind != "cold"
                return worker, worker.prepare(case.variant, weights(case.variant), case.shape, load)
            except WorkerError as error:
                if "is not installed" not in str(error):
                    raise
                pytest.skip(str(error))

        yield make
