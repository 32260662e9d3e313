"""What a server refuses: too much, too slow, and who may not ask."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sqznet

from ..support.places import CHELSEA
from ..support.serving import Running, running

for library in ("starlette", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(library, reason=f"the server needs {library}")

from sqznet.serving.served import Served  # noqa: E402
from sqznet.serving.settings import Limits, Settings  # noqa: E402

PIXELS = 1_000_000
LIMITS = Limits(body=2_000_000, pixels=PIXELS, seconds=20)
CLASSIFY = "/classify"
PHOTO = CHELSEA.read_bytes() if CHELSEA.exists() else b""


@pytest.fixture(scope="module")
def network(coarse: Path) -> sqznet.Model:
    return sqznet.load(coarse)


@pytest.fixture(scope="module")
def server(network: sqznet.Model) -> Iterator[Running]:
    with running([Served("net", network, PIXELS)], Settings(limits=LIMITS)) as found:
        yield found


# --- Limits ----------------------------------------------------------------------------------


@pytest.fixture
def tight(network: sqznet.Model) -> Iterator[Running]:
    limits = LIMITS._replace(queue=1, seconds=0.5)
    with running([Served("net", network, PIXELS)], Settings(limits=limits)) as found:
        yield found


def test_a_slow_body_is_given_up_and_others_are_told_to_come_again(tight: Running) -> None:
    slow = tight.connection()
    slow.putrequest("POST", CLASSIFY)
    slow.putheader("Content-Length", "1000")
    slow.endheaders(b"part")
    while "sqznet_requests_inside 1.0" not in tight.get("/metrics").body.decode():
        time.sleep(0.01)
    refused = tight.post(CLASSIFY, PHOTO)
    assert (refused.status, int(refused.headers["retry-after"]) >= 1) == (429, True)
    assert refused.error == "1 requests are waiting already"
    late = slow.getresponse()
    assert late.status == 408
    assert json.loads(late.read())["error"] == "the request was not complete after 0.5 s"
    slow.close()
    assert tight.post(CLASSIFY, PHOTO).status == 200


class _Sleeping(Served):
    def classify(self, questions: Any, others: bool) -> Any:
        time.sleep(0.8)
        return super().classify(questions, others)


def test_an_answer_that_takes_too_long_is_given_up(network: sqznet.Model) -> None:
    settings = Settings(limits=LIMITS._replace(seconds=0.3))
    with running([_Sleeping("net", network, PIXELS)], settings) as server:
        answer = server.post(CLASSIFY, PHOTO)
        assert (answer.status, answer.error) == (503, "no answer within 0.3 s")
        assert int(answer.headers["retry-after"]) >= 1


def test_what_was_accepted_is_answered_when_the_server_stops(network: sqznet.Model) -> None:
    answers: list[int] = []
    with running([_Sleeping("net", network, PIXELS)], Settings(limits=LIMITS)) as server:
        asking = [
            threading.Thread(target=lambda: answers.append(server.post(CLASSIFY, PHOTO).status))
            for _ in range(6)
        ]
        for thread in asking:
            thread.start()
        while "sqznet_requests_inside 6.0" not in server.get("/metrics").body.decode():
            time.sleep(0.01)
    for thread in asking:
        thread.join()
    assert answers == [200] * 6


def test_a_client_that_leaves_is_no_failure(server: Running) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /classify HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 99\r\n\r\n"
        connection.sendall(head.encode() + b"part")
    text = ""
    while 'status="499"' not in text:
        time.sleep(0.01)
        text = server.get("/metrics").body.decode()
    assert 'status="500"' not in text
    assert "sqznet_requests_inside 0.0" in text


def test_a_photo_whose_client_has_left_is_not_worked_on(network: sqznet.Model) -> None:
    worked: list[int] = []

    class Slow(Served):
        def classify(self, questions: Any, others: bool) -> Any:
            worked.append(len(questions))
            time.sleep(0.3)
            return super().classify(questions, others)

    limits = LIMITS._replace(batch=1)
    with running([Slow("net", network.alone(), PIXELS)], Settings(limits=limits)) as server:
        connections = [server.connection() for _ in range(6)]
        for connection in connections:
            connection.request("POST", CLASSIFY, PHOTO)
        while "sqznet_requests_inside 6.0" not in server.get("/metrics").body.decode():
            time.sleep(0.01)
        for connection in connections:
            connection.close()
        while "sqznet_requests_inside 0.0" not in server.get("/metrics").body.decode():
            time.sleep(0.01)
        assert 'route="classify",status="499"} 6.0' in server.get("/metrics").body.decode()
    assert len(worked) <= 2  # what a thread had begun, and what lay ready for it


# --- Who may ask -----------------------------------------------------------------------------


def test_pages_of_other_sites_and_other_names_are_refused(server: Running) -> None:
    own = server.url.removeprefix("http://")
    assert server.post(CLASSIFY, PHOTO, origin=server.url).status == 200
    assert server.post(CLASSIFY, PHOTO, origin="http://evil.example").status == 403
    assert server.get("/models", host=f"localhost:{own.split(':')[1]}").status == 200
    assert server.get("/models", host="evil.example").status == 403
    assert server.get("/models", host="[").status == 403


def test_a_token_is_asked_for(network: sqznet.Model) -> None:
    settings = Settings(token="a secret", limits=LIMITS)
    with running([Served("net", network, PIXELS)], settings) as server:
        for given in ({}, {"authorization": "Bearer another"}, {"authorization": "a secret"}):
            answer = server.post(CLASSIFY, PHOTO, **given)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert server.post(CLASSIFY, PHOTO, authorization="Bearer a secret").status == 200
        assert server.get("/metrics").status == 401
        assert server.get("/").status == server.get("/v2/health/live").status == 200
