"""Clients of every kind: such as a server wants, and such as it gets.

Each visit makes a request, or what looks like one, over a connection of its own and says which
status the answer had; 0: none, since the client left or the bytes were no request.
"""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPResponse
from typing import NamedTuple

from benchmarks.serving.client import Address
from benchmarks.serving.material import post
from benchmarks.soak.hostile import damaged

LIMIT = 3.0  # seconds that the server gives a request
BODY = 1 << 20  # bytes of a request that it takes
_BUSY = (429, 503)
_PATIENCE = 120.0  # seconds: the machine may be busy
_PAUSE = 0.05  # seconds after a request whose answer nobody waits for
_GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01",
    b"GET\r\n\r\n",
    b"POST /classify HTTP/9\r\n\r\n",
    bytes(99),
)


class Visit(NamedTuple):
    """``status``: of the answer, 0 without one. ``is_counted``: whether the server takes it for a
    request. ``fault``: what was wrong with the answer."""

    status: int
    is_counted: bool = True
    fault: str = ""


class Visitors:
    """``files``: photos; ``labels``: what each shows, best first."""

    def __init__(self, address: Address, files: Sequence[bytes], labels: Sequence[str]) -> None:
        self._address, self._files, self._labels = address, files, labels
        self.kinds: dict[str, Callable[[random.Random], Visit]] = {
            "photos": self.photo,
            "explanations and boxes": self.picture,
            "damaged photos": self.damaged,
            "wrong requests": self.wrong,
            "cut requests": self.cut,
            "clients that leave": self.leaver,
            "slow bodies": self.slow,
            "slow heads": self.slow_head,
            "no HTTP": self.garbage,
        }

    def photo(self, chance: random.Random) -> Visit:
        number = chance.randrange(len(self._files))
        status, body = self._ask(post("/classify?top=1", self._files[number]))
        if status != 200:
            return _expected(status, *_BUSY)
        found = json.loads(body)["predictions"][0]["label"]
        right = self._labels[number]
        return Visit(status, fault="" if found == right else f"{found!r} instead of {right!r}")

    def picture(self, chance: random.Random) -> Visit:
        path = chance.choice(("/explain", "/explain?format=json", "/detect"))
        return _expected(self._ask(post(path, chance.choice(self._files)))[0], 200, *_BUSY)

    def damaged(self, chance: random.Random) -> Visit:
        path = chance.choice(("/classify", "/detect"))
        body = damaged(chance.choice(self._files), chance)
        return _expected(self._ask(post(path, body))[0], 200, 400, 413, 422, *_BUSY)

    def wrong(self, chance: random.Random) -> Visit:
        photo = chance.choice(self._files)
        infer = "/v2/models/squeezenet1_1/infer"
        request, status = chance.choice(
            (
                (post("/classify", b""), 400),
                (post("/classify?top=none", photo), 400),
                (post("/classify?model=none", photo), 404),
                (post("/none", photo), 404),
                (post(infer, b'{"inputs": [' + b"[" * 9999), 400),
                (post(infer, b'{"inputs": [{"name": "image", "shape": [1, 2]}]}'), 400),
                (post("/classify", photo, "Content-Encoding: gzip\r\n"), 415),
                (post("/classify", photo, "Content-Type: multipart/form-data\r\n"), 400),
                (post("/classify", photo, "Origin: http://elsewhere.example\r\n"), 403),
                (post("/classify", bytes(BODY + 1)), 413),
                (post("/classify", photo).replace(b"POST", b"PUT", 1), 405),
            )
        )
        return _expected(self._ask(request)[0], status, *_BUSY)

    def cut(self, chance: random.Random) -> Visit:
        request = post("/classify", chance.choice(self._files))
        head = request.index(b"\r\n\r\n") + 4
        with self._connected() as connection:
            connection.sendall(request[: chance.randrange(head, len(request))])
        time.sleep(_PAUSE)
        return Visit(0)

    def leaver(self, chance: random.Random) -> Visit:
        path = chance.choice(("/explain", "/classify"))
        with self._connected() as connection:
            connection.sendall(post(path, chance.choice(self._files)))
            time.sleep(chance.choice((0.0, _PAUSE)))
        time.sleep(_PAUSE)
        return Visit(0)

    def slow(self, chance: random.Random) -> Visit:
        request = post("/classify", chance.choice(self._files))
        with self._connected() as connection:
            head = request.index(b"\r\n\r\n") + 4
            connection.sendall(request[:head])
            for at in range(head, head + 10):  # and never the rest
                connection.sendall(request[at : at + 1])
                time.sleep(LIMIT / 20)
            return _expected(_read(connection)[0], 408, *_BUSY)

    def slow_head(self, chance: random.Random) -> Visit:
        with self._connected() as connection:
            connection.sendall(post("/classify", b"")[: chance.randint(0, 40)])
            _drained(connection)
        return Visit(0, False)

    def garbage(self, chance: random.Random) -> Visit:
        with self._connected() as connection:
            connection.sendall(chance.choice(_GARBAGE) + chance.randbytes(50))
            connection.shutdown(socket.SHUT_WR)
            _drained(connection)
        return Visit(0, False)

    def _connected(self) -> socket.socket:
        return socket.create_connection(self._address, _PATIENCE)

    def _ask(self, request: bytes) -> tuple[int, bytes]:
        with self._connected() as connection:
            connection.sendall(request)
            return _read(connection)


def _expected(status: int, *statuses: int) -> Visit:
    return Visit(status, fault="" if status in statuses else f"status {status}")


def _read(connection: socket.socket) -> tuple[int, bytes]:
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def _drained(connection: socket.socket) -> None:
    """Waits until the server closes the connection."""
    with suppress(ConnectionError):
        while connection.recv(1 << 12):
            pass
