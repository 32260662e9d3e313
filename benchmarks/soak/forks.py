"""Forks while other threads classify, learn and stream: each child does the same work.

`python -m benchmarks.soak.forks WEIGHTS SECONDS SEED` prints how many children there were.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import sqznet
from benchmarks.soak import material
from benchmarks.soak.outcome import Outcome

_PATIENCE = 30


def run(folder: Path, seconds: float, seed: int) -> Outcome:
    outcome = Outcome("forks while other threads are at work")
    small, *_ = material.write_weights(folder)
    command = [sys.executable, "-m", "benchmarks.soak.forks", str(small), str(seconds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 300)
    if done.returncode == 0:
        tried, *failures = done.stdout.splitlines()
        outcome.tried, outcome.failures = int(tried), failures
    else:
        outcome.failures.append(done.stderr[-2000:])
    return outcome


class _Work:
    """The work of the parent's threads and of the children."""

    def __init__(self, weights: Path) -> None:
        self.image = material.encoded(1, "JPEG")
        self.model = sqznet.load(weights, threads=2)
        self.recognizer = sqznet.learn(
            {"a": [material.photo(1)], "b": [material.photo(2)]},
            model=self.model,
            report=lambda _: None,
        )
        self.expected = self.model.classify(self.image), self.recognizer.classify(self.image)
        self.over = False

    def once(self) -> None:
        assert self.model.classify(self.image) == self.expected[0]
        assert self.recognizer.classify(self.image) == self.expected[1]
        assert asyncio.run(self.model.aclassify(self.image)) == self.expected[0]

    def learn(self) -> None:
        learning = sqznet.Recognizer(self.model, report=lambda _: None)
        learning.add("a", [material.photo(3)])
        learning.classify(self.image)

    def classify_always(self) -> None:
        while not self.over:
            self.once()

    def learn_always(self) -> None:
        while not self.over:
            self.learn()


def _child_of(work: _Work) -> int:
    """The process that does the work once and ends with 0."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(_PATIENCE)
            work.once()
            work.learn()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def _main(weights: Path, seconds: float, seed: int) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # forking with running threads
    work, chance = _Work(weights), random.Random(seed)
    targets = [work.classify_always, work.classify_always, work.learn_always]
    threads = [threading.Thread(target=target, daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    tried, failures, end = 0, [], time.monotonic() + seconds
    while time.monotonic() < end:
        _, status = os.waitpid(_child_of(work), 0)
        tried += 1
        if status:
            hung = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
            failures.append(f"child {tried}: {'hung' if hung else f'status {status}'}")
        time.sleep(chance.random() * 0.003)
    work.over = True
    print(tried, *failures, sep="\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
