"""Connections byte by byte: long bodies, and clients that take their time."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import parse_headers
from pathlib import Path

import pytest

import sqznet

from ..support.places import CHELSEA, COFFEE
from ..support.serving import Running, running

for library in ("starlette", "uvicorn", "httptools", "prometheus_client", "python_multipart"):
    pytest.importorskip(library, reason=f"the server needs {library}")

from sqznet.serving.served import Served  # noqa: E402
from sqznet.serving.settings import Limits, Settings  # noqa: E402

SECONDS = 0.4
TIGHT = Limits(body=100_000, seconds=SECONDS, queue=1)


@pytest.fixture(scope="module")
def network(coarse: Path) -> sqznet.Model:
    return sqznet.load(coarse)


@pytest.fixture(scope="module")
def server(network: sqznet.Model) -> Iterator[Running]:
    with running([Served("net", network, 10**7)], Settings()) as found:
        yield found


@pytest.fixture(scope="module")
def tight(network: sqznet.Model) -> Iterator[Running]:
    with running([Served("net", network, 10**7)], Settings(limits=TIGHT)) as found:
        yield found


class Talk:
    """A connection, and the answers on it in order."""

    def __init__(self, server: Running) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)), 20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def line(self) -> bytes:
        return self._file.readline()

    def answer(self) -> tuple[int, str]:
        """The status of the next answer, and the label in it."""
        status = int(self.line().split()[1])
        headers = parse_headers(self._file)
        found = json.loads(self._file.read(int(headers["content-length"])))
        return status, found["predictions"][0]["label"] if "predictions" in found else ""

    def seconds_until_closed(self) -> float:
        start = time.monotonic()
        with suppress(ConnectionError):
            assert self._file.read() == b""
        return time.monotonic() - start


def request(body: bytes, more: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = (
        f"POST /classify?top=1 HTTP/1.1\r\nHost: localhost\r\n{more}Content-Length: {size}\r\n\r\n"
    )
    return head.encode() + body


def drip_until_closed(talk: Talk) -> float:
    """Sends a byte now and then; the seconds for which that worked."""
    start = time.monotonic()
    with suppress(ConnectionError):
        while time.monotonic() < start + 10:
            talk.send(b"x")
            time.sleep(0.01)
    return time.monotonic() - start


@pytest.mark.parametrize("size", [1, 700, 16384, 40_000])
def test_a_long_body_may_come_in_any_pieces(
    server: Running, network: sqznet.Model, size: int
) -> None:
    photos = (COFFEE.read_bytes(), CHELSEA.read_bytes())
    with Talk(server) as talk:
        for photo in (*photos, *photos):
            content = request(photo)
            for start in range(0, 3 * size, size):
                talk.send(content[start : start + size])
            talk.send(content[3 * size :])
            assert talk.answer() == (200, network.classify(photo, 1)[0].label)


def test_requests_may_follow_before_the_answers(server: Running, network: sqznet.Model) -> None:
    photos = (COFFEE.read_bytes(), b"no photo", CHELSEA.read_bytes())
    with Talk(server) as talk:
        talk.send(b"".join(map(request, photos)))
        expected = [(200, network.classify(photo, 1)[0].label) for photo in photos[::2]]
        found = [talk.answer() for _ in photos]
        assert found == [expected[0], (422, ""), expected[1]]


def test_a_client_may_ask_before_it_sends_a_long_body(server: Running) -> None:
    photo = COFFEE.read_bytes()
    with Talk(server) as talk:
        talk.send(request(b"", "Expect: 100-continue\r\n", len(photo)))
        assert (talk.line(), talk.line()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
        talk.send(photo)
        assert talk.answer()[0] == 200


def test_a_connection_goes_on_after_a_body_that_nobody_reads(tight: Running) -> None:
    photo = COFFEE.read_bytes()
    with Talk(tight) as talk:
        for refused in ("Content-Encoding: gzip\r\n", "Origin: http://else.where\r\n"):
            talk.send(request(photo, refused)[:30_000])
            assert talk.answer()[0] in (403, 415)
            talk.send(request(photo, refused)[30_000:])
            talk.send(request(photo))
            assert talk.answer()[0] == 200
        too_long = request(bytes(100_001))
        talk.send(too_long)
        assert talk.answer()[0] == 413
        talk.send(request(photo))
        assert talk.answer()[0] == 200


@pytest.mark.parametrize("head", [b"", b"POST /classify HT", request(b"", length=50_000)[:-2]])
def test_a_head_may_not_take_longer_than_a_request(tight: Running, head: bytes) -> None:
    with Talk(tight) as talk:
        talk.send(head)
        assert SECONDS / 2 < talk.seconds_until_closed() < 10
    if head:  # else it waits for uvicorn's limit, which is longer
        with Talk(tight) as talk:
            talk.send(request(COFFEE.read_bytes()) + head)
            assert talk.answer()[0] == 200
            assert talk.seconds_until_closed() < 10


@pytest.mark.parametrize("begin", ["X-Long: ", "Transfer-Encoding: chunked\r\n\r\n1;"])
def test_a_head_may_not_grow_without_end(server: Running, begin: str) -> None:
    with Talk(server) as talk:
        talk.send(f"POST /classify HTTP/1.1\r\nHost: localhost\r\n{begin}".encode())
        with suppress(ConnectionError):
            for _ in range(100):
                talk.send(b"x" * 1000)
                time.sleep(0.001)
        with suppress(ConnectionError):
            assert talk.line() in (b"HTTP/1.1 431 Request Header Fields Too Large\r\n", b"")
        assert drip_until_closed(talk) < 5


def test_a_refused_body_may_not_take_longer_either(tight: Running) -> None:
    with Talk(tight) as talk:
        talk.send(request(bytes(20_000), "Content-Encoding: gzip\r\n", 90_000))
        assert talk.answer()[0] == 415
        assert drip_until_closed(talk) < 10


def test_connections_beyond_half_of_the_files_that_may_be_open_are_told(
    network: sqznet.Model,
) -> None:
    resource = pytest.importorskip("resource", reason="the system's limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        try:
            server = stack.enter_context(running([Served("net", network, 10**7)], Settings()))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        talks = [stack.enter_context(Talk(server)) for _ in range(101)]
        assert talks[-1].answer() == (503, "")
        talks[0].send(request(COFFEE.read_bytes()))
        assert talks[0].answer()[0] == 200


def test_who_leaves_amid_a_long_body_is_counted(tight: Running) -> None:
    with Talk(tight) as talk:
        talk.send(request(bytes(50_000), length=90_000))
    while 'status="499"' not in (text := tight.get("/metrics").body.decode()):
        time.sleep(0.01)
    assert "sqznet_requests_inside 0.0" in text
