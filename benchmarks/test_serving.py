"""The benchmark of the server: its callers, its counting, and its arithmetic."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqznet
from benchmarks.material import ROOT
from benchmarks.serving import client, rates, stress
from benchmarks.serving.material import post, read, tensor
from benchmarks.serving.rates import DECODED, FILES, HERE, JPEG, Turn
from benchmarks.serving.soak import Tally

for library in ("starlette", "uvicorn", "httptools", "prometheus_client", "python_multipart"):
    pytest.importorskip(library, reason=f"the server needs {library}")

PHOTOS = sorted((ROOT / "examples").glob("c*.jpg"))


@pytest.fixture(scope="module")
def address() -> Iterator[client.Address]:
    from sqznet.detection.loading import BUNDLED
    from sqznet.serving.served import Served
    from sqznet.serving.server import Server
    from sqznet.serving.settings import Limits, Settings
    from sqznet.serving.sought import Sought

    served = Served("squeezenet1_1", sqznet.load(), 10**8)
    settings = Settings(port=0, limits=Limits(queue=4))
    server = Server([served], Sought(BUNDLED(), 10**8), settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield "127.0.0.1", int(server.url.rpartition(":")[2])
    server.stop()
    thread.join()


def test_callers_count_what_they_get(address: client.Address) -> None:
    material = read(PHOTOS)
    for requests in (
        [post("/classify", file) for file in material.files],
        [tensor(photo) for photo in material.decoded],
    ):
        load = client.call(address, requests, 3, 0.2)
        assert set(load.statuses) == {200}
        assert len(load.milliseconds) == load.statuses[200] >= 3
        assert load.lost == 0
    crowd = client.call(address, [post("/classify", material.files[0])], 16, 0.2, patient=False)
    assert set(crowd.statuses) == {200, 429}
    assert client.call(address, [post("/none", b"")], 1, 0.05).statuses.keys() == {404}


def test_a_connection_without_an_answer_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=lambda: listening.accept()[0].close()).start()
        load = client.call(listening.getsockname()[:2], [post("/classify", b"photo")], 1, 0.1)
    assert (load.statuses, load.lost) == ({}, 1)


def test_what_the_server_counted_must_have_been_seen() -> None:
    tally = Tally()
    tally.add("photos", 200, 2)
    tally.add("cut requests", 0)
    tally.leave()
    assert tally.unaccounted(Counter({200: 2, 499: 1})) == ""
    assert "not read" in tally.unaccounted(Counter({200: 3, 499: 1}))
    assert "not read" in tally.unaccounted(Counter({200: 1, 499: 2}))


def test_the_arithmetic() -> None:
    turns = {HERE: 100.0, DECODED: 90.0, FILES: 80.0, JPEG: 60.0, "x + FastAPI, JPEG": 30.0}
    measured = [{name: Turn(rate, 1, 1, 1, 2, 0) for name, rate in turns.items()}] * 3
    assert rates.said(measured) == [
        f"{DECODED}: 0.90 of {HERE} (goal 0.9)",
        f"{JPEG}: 0.75 of {FILES} (goal 0.85)",
        f"{JPEG}: 2.00 times x + FastAPI, JPEG",
    ]
    assert rates.failures(measured) == 0
    assert len(rates.table(measured).splitlines()) == 7


def test_the_log_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"event": "request", "status": 200}\n{"event": "failed"}\n')
    assert stress.statuses(log) == Counter({200: 1})
