"""Servers in processes of their own, and what these cost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.material import ROOT
from benchmarks.serving.client import Address

_HOST = "127.0.0.1"
_PATIENCE = 60.0  # seconds until it answers
_TICKS = os.sysconf("SC_CLK_TCK")


class Program(NamedTuple):
    """A server that answers at ``address`` and writes its log into the file ``log``."""

    process: subprocess.Popen[str]
    address: Address
    log: Path

    def cpu(self) -> float:
        """The seconds of processor time that it has taken so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICKS

    def resident(self) -> float:
        """Megabytes of memory that it holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


@contextmanager
def served(*options: str) -> Iterator[Program]:
    """`sqznet serve`."""
    # Not in the repository, whose folder `sqznet` would be imported as the package.
    with tempfile.TemporaryDirectory(prefix="sqznet-bench-") as place:
        port = _free_port()
        command = (sys.executable, "-m", "sqznet", "serve", "--port", str(port), *options)
        with _started(command, port, Path(place), Path(place)) as program:
            yield program


@contextmanager
def rival(engine: str, threads: int) -> Iterator[Program]:
    """An engine behind FastAPI."""
    with tempfile.TemporaryDirectory(prefix="sqznet-bench-") as place:
        port = _free_port()
        module = "benchmarks.serving.rival"
        command = (sys.executable, "-m", module, engine, str(threads), str(port), place)
        with _started(command, port, ROOT, Path(place)) as program:
            yield program


@contextmanager
def _started(command: Sequence[str], port: int, folder: Path, place: Path) -> Iterator[Program]:
    log = place / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, cwd=folder, text=True, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            _wait_for(port)
            yield Program(process, (_HOST, port), log)
        except ConnectionRefusedError:
            raise SystemExit(f"a server does not start: {log.read_text()}") from None
        finally:
            process.terminate()
            process.wait(60)


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection((_HOST, port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
