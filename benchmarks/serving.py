"""python -m benchmarks.serving [FOLDER] [--seconds S] [--callers N]: `sqznet serve` under load.

Compares photos a second of the server, with callers on the same machine, with the same photos in
this process: decoded ones (UINT8 tensors against callers of `Model.classify`), and JPEG files
(POST /classify against `classify_files`). Then it sends more than the server takes, and at last
SIGTERM under load. Exits with 1 if something is lost. FOLDER: JPEG files, default: examples/.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import sqznet

ROOT = Path(__file__).resolve().parents[1]
_REFUSED = 429
_OVERLOAD = 8  # times as many callers as the server takes requests
_LIMIT = 16  # requests that it takes in that run


class Load(NamedTuple):
    """What callers saw: the statuses; the milliseconds of each answer of status 200; the seconds in
    all; and how many callers lost their connection."""

    statuses: Counter[int]
    milliseconds: list[float]
    seconds: float
    lost: int

    @property
    def rate(self) -> float:
        return self.statuses[200] / self.seconds

    def row(self, name: str) -> str:
        middle, late = np.percentile(self.milliseconds, (50, 99)) if self.milliseconds else (0, 0)
        others = {k: n for k, n in self.statuses.items() if k != 200}
        said = f"; {others}" if others else ""
        return (
            f"{name:<34} {self.rate:7.1f}/s  p50 {middle:6.1f} ms  p99 {late:6.1f} ms{said}; "
            f"{self.lost} lost"
        )


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """`sqznet serve` in a process of its own, and its address."""
    with tempfile.TemporaryDirectory(prefix="sqznet-bench-") as place:
        port = _free_port()
        command = [sys.executable, "-m", "sqznet", "serve", "-q", "--port", str(port), *options]
        program = subprocess.Popen(command, cwd=place, text=True)
        try:
            _wait_for(port)
            yield program, ("127.0.0.1", port)
        finally:
            program.terminate()
            program.wait(60)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def request(path: str, body: bytes, headers: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(address: tuple[str, int], requests: Sequence[bytes], callers: int, seconds: float) -> Load:
    """Each caller sends one request after another over its own connection."""
    statuses: Counter[int] = Counter()
    times: list[float] = []
    lost: list[Exception] = []
    start = time.perf_counter()

    def call(first: int) -> None:
        following = itertools.cycle([*requests[first:], *requests[:first]])
        try:
            with socket.create_connection(address, 60) as connection:
                while time.perf_counter() < start + seconds:
                    began = time.perf_counter()
                    connection.sendall(next(following))
                    status = _status(connection)
                    if status == 200:
                        times.append(1000 * (time.perf_counter() - began))
                    statuses[status] += 1
        except OSError as error:
            lost.append(error)

    threads = [threading.Thread(target=call, args=(i % len(requests),)) for i in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(statuses, times, time.perf_counter() - start, len(lost))


def _status(connection: socket.socket) -> int:
    """Reads an answer. Raises ConnectionError if it is cut."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _piece(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    (length,) = (
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += _piece(connection)
    return int(head.split()[1])


def _piece(connection: socket.socket) -> bytes:
    if not (data := connection.recv(1 << 16)):
        raise ConnectionError("the answer is cut")
    return data


def called(work: Callable[[int], object], callers: int, seconds: float) -> float:
    """Calls a second of ``work``, by several threads of this process."""
    done: Counter[int] = Counter()
    start = time.perf_counter()

    def call(caller: int) -> None:
        while time.perf_counter() < start + seconds:
            work(caller)
            done[caller] += 1

    threads = [threading.Thread(target=call, args=(i,)) for i in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done.total() / (time.perf_counter() - start)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "examples")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--callers", type=int, default=16)
    args = parser.parse_args(argv)
    paths = sorted(args.folder.glob("**/*.jpg"))[:100]
    files = [path.read_bytes() for path in paths]
    photos = []
    for path in paths:
        with Image.open(path) as photo:
            photos.append(np.asarray(photo.convert("RGB")))
    lost = 0
    model = sqznet.load()
    inside = called(lambda i: model.classify(photos[i % len(photos)]), args.callers, args.seconds)
    from_files = _classify_files(model, paths, args.seconds)
    with served() as (_, address):
        tensors = [_tensor(photo) for photo in photos]
        decoded = send(address, tensors, args.callers, args.seconds)
        jpeg = send(address, [request("/classify", f) for f in files], args.callers, args.seconds)
    print(f"{'in this process, decoded':<34} {inside:7.1f}/s")
    print(decoded.row("server, UINT8 tensors"), f"; {decoded.rate / inside:.2f} of the above")
    print(f"{'classify_files':<34} {from_files:7.1f}/s")
    print(jpeg.row("server, JPEG files"), f"; {jpeg.rate / from_files:.2f} of the above")
    with served("--max-requests", str(_LIMIT)) as (program, address):
        bodies = [request("/classify", f) for f in files]
        crowd = send(address, bodies, _OVERLOAD * _LIMIT, args.seconds)
        print(crowd.row(f"{_OVERLOAD * _LIMIT} callers, {_LIMIT} taken"))
        lost += sum(n for status, n in crowd.statuses.items() if status not in (200, _REFUSED))
        ending = threading.Timer(1, os.kill, (program.pid, signal.SIGTERM))
        ending.start()
        cut = send(address, bodies, _LIMIT, 3)
        print(cut.row("SIGTERM after 1 s"), "(connections that were closed between requests)")
        lost += program.wait(60) != 0
    return 1 if lost or decoded.lost or jpeg.lost or crowd.lost else 0


def _classify_files(model: sqznet.Model, paths: Sequence[Path], seconds: float) -> float:
    start = time.perf_counter()
    found = model.classify_files(itertools.cycle(paths))
    for count, _ in enumerate(found, 1):
        if time.perf_counter() > start + seconds:
            return count / (time.perf_counter() - start)
    raise AssertionError("the photos never end")


def _tensor(photo: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """A request of the Open Inference Protocol for a decoded photo."""
    tensor = {
        "name": "image",
        "datatype": "UINT8",
        "shape": [1, *photo.shape],
        "parameters": {"binary_data_size": photo.nbytes},
    }
    output = {"name": "scores", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    length = f"Inference-Header-Content-Length: {len(head)}\r\n"
    return request("/v2/models/squeezenet1_1/infer", head + photo.tobytes(), length)


if __name__ == "__main__":
    raise SystemExit(main())
