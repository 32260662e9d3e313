"""One engine in its own process, driven over a pipe.

Why a process each. Most engines keep their threads spinning after a call (ONNX Runtime by default,
the OpenMP of ncnn and torch for milliseconds, MNN too), ready for the next one. Measured in one
process, or side by side, each engine's idle threads would eat the cores while the next one is
timed, and whoever comes after the keenest spinner would look slow. Turning spinning off would make
its owner slow instead. So every engine keeps its best settings in its own process, and the process
is stopped (SIGSTOP) outside its turn: a stopped process uses no CPU, whatever its threads want.
It also keeps the engines' copies of OpenMP, protobuf and the like apart.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.engines import get
from benchmarks.network import Array, Shape, Weights, layers

_WARM_CALLS = (
    2  # untimed, at the start of every turn: the other engines' turns have cooled the caches
)
_TIMEOUT = 300.0  # seconds; only a hung engine takes this long
_CAN_STOP = hasattr(signal, "SIGSTOP")


class WorkerError(Exception):
    """The engine is missing here, or failed; the message says how."""


class Worker:
    """The driving side. Calls raise WorkerError. Model files are written into `folder`."""

    def __init__(self, engine: str, threads: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, engine, threads, folder)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def prepare(self, variant: str, weights: Weights, shape: Shape, load: bool = True) -> str:
        """Writes the engine's model file and, by default, loads it; returns the path."""
        path: str = self._call("prepare", variant, weights, shape, load)
        return path

    def logits(self, x: Array) -> Array:
        """Sets a preprocessed batch as input, which `time` reuses, and runs it once."""
        out: Array = self._call("logits", x)
        return out

    def time(self, calls: int) -> list[float]:
        """The seconds of each call on that batch."""
        seconds: list[float] = self._call("time", calls)
        return seconds

    def top5(self, photos: list[str]) -> list[tuple[float, list[int]]]:
        """Seconds and best five classes of each photo."""
        out: list[tuple[float, list[int]]] = self._call("top5", photos)
        return out

    def rest(self) -> None:
        """Stop the process until the next call."""
        if _CAN_STOP and self._process.is_alive():
            os.kill(self._process.pid or 0, signal.SIGSTOP)
        elif not _CAN_STOP:
            time.sleep(0.25)  # longer than any engine spins

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()  # harmless when done twice

    def _call(self, *request: Any) -> Any:
        try:
            if _CAN_STOP:
                os.kill(self._process.pid or 0, signal.SIGCONT)
            self._pipe.send(request)
            if not self._pipe.poll(_TIMEOUT):
                raise WorkerError(f"no answer to {request[0]!r} within {_TIMEOUT:.0f} s")
            answer, error = self._pipe.recv()
        except (EOFError, OSError) as gone:
            raise WorkerError(f"its process died on {request[0]!r}") from gone
        if error is not None:
            raise WorkerError(error)
        return answer


class _Host:
    """The engine's side."""

    def __init__(self, engine: str, threads: int, folder: Path) -> None:
        self._adapter = get(engine)
        self._threads = threads
        self._folder = folder

    def prepare(self, variant: str, weights: Weights, shape: Shape, load: bool) -> str:
        reason = self._adapter.available()
        if reason is not None:
            raise WorkerError(reason)
        path = self._adapter.write(layers(variant), weights, shape, self._folder)
        if load:
            self._engine = self._adapter(path, self._threads, shape)
        return path

    def logits(self, x: Array) -> Array:
        self._fed = self._engine.feed(x)
        return self._engine.infer(self._fed)

    def time(self, calls: int) -> list[float]:
        infer, fed = self._engine.infer, self._fed
        for _ in range(_WARM_CALLS):
            infer(fed)
        return [_seconds(infer, fed)[0] for _ in range(calls)]

    def top5(self, photos: list[str]) -> list[tuple[float, list[int]]]:
        self._engine.top5(photos[0])
        return [_seconds(self._engine.top5, photo) for photo in photos]


def _seconds(function: Any, argument: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = function(argument)
    return time.perf_counter() - start, answer


def _serve(pipe: Connection, engine: str, threads: int, folder: Path) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before the engine loads its OpenMP
    with _quiet():
        host = _Host(engine, threads, folder)
        while True:
            try:
                name, *arguments = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send((getattr(host, name)(*arguments), None))
            except WorkerError as error:
                pipe.send((None, str(error)))
            except Exception as error:  # engines raise any exception
                text = str(error).strip() or "no message"
                pipe.send((None, f"{type(error).__name__}: {text.splitlines()[0][:200]}"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences stdout and stderr, where engines print greetings from C++."""
    with open(os.devnull, "w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
        yield
