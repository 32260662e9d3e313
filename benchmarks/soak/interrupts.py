"""Exceptions from outside at any moment of classify: no place is lost, and no thread waits forever.

`python -m benchmarks.soak.interrupts WEIGHTS SECONDS SEED` interrupts four threads by
PyThreadState_SetAsyncExc and the main thread by SIGINT, and prints how often.
"""

from __future__ import annotations

import ctypes
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import sqznet
from benchmarks.soak import material
from benchmarks.soak.outcome import Outcome

_PATIENCE = 60.0


class InterruptError(BaseException):
    """Raised in a thread from outside."""


def run(folder: Path, seconds: float, seed: int) -> Outcome:
    outcome = Outcome("interrupts of classify, by SetAsyncExc and SIGINT")
    small, *_ = material.write_weights(folder)
    command = [sys.executable, "-m", "benchmarks.soak.interrupts", str(small)]
    done = subprocess.run(
        [*command, str(seconds), str(seed)],
        capture_output=True,
        text=True,
        timeout=seconds + 2 * _PATIENCE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    if done.returncode == 0:
        outcome.tried = int(done.stdout)
    else:
        outcome.failures.append(done.stderr[-2000:])
    return outcome


class _Threads:
    """Four threads that classify, whatever is raised in them."""

    def __init__(self, model: sqznet.Model, image: bytes) -> None:
        self._model, self._image = model, image
        self._expected = model.classify(image)
        self.over = False
        self.caught = 0
        self.kept: dict[int, BaseException] = {}  # with their tracebacks, and so with all frames
        self.threads = [self._started(index) for index in range(4)]

    def _started(self, index: int) -> threading.Thread:
        thread = threading.Thread(target=self._work, args=(index,), daemon=True)
        thread.start()
        return thread

    def interrupt(self, index: int) -> None:
        if not self.threads[index].is_alive():  # it was interrupted outside of its loop
            self.threads[index] = self._started(index)
        ident = ctypes.c_ulong(self.threads[index].ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(InterruptError))

    def classify(self) -> None:
        if self._model.classify(self._image) != self._expected:
            raise AssertionError("another answer than before")

    def _work(self, index: int) -> None:
        while not self.over:
            try:
                while not self.over:
                    self.classify()
            except InterruptError as error:
                self.caught += 1
                self.kept[index] = error


def _interrupt_main_thread(threads: _Threads, chance: random.Random) -> bool:
    """Whether Ctrl-C came while the main thread classified, and not just after."""
    signal.setitimer(signal.ITIMER_REAL, 1e-5 + chance.random() * 0.003)
    try:
        for _ in range(20):
            threads.classify()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    return False


def _child(weights: Path, seconds: float, seed: int) -> None:
    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    sys.setswitchinterval(1e-5)
    threading.excepthook = lambda _: None
    model = sqznet.load(weights, threads=1)
    threads = _Threads(model, material.encoded(seed, "PNG"))
    chance, end, stopped = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        threads.interrupt(chance.randrange(4))
        if chance.random() < 0.2:
            stopped += _interrupt_main_thread(threads, chance)
        time.sleep(chance.random() * 0.0003)
    threads.over = True
    for thread in threads.threads:
        thread.join(_PATIENCE)
        if thread.is_alive():
            raise SystemExit(f"after {threads.caught} interrupts a thread waits forever")
    if model.executor.callers:
        raise SystemExit(f"{model.executor.callers} places were lost")
    print(threads.caught + stopped)


if __name__ == "__main__":
    _child(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
