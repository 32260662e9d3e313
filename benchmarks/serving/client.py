"""Many callers of a server in one thread of a process of their own.

Callers share the cores with the server that they load, so they must cost little: their requests are
made before, and one loop serves all their sockets. What they cost is measured, too.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

Address = tuple[str, int]

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_PIECE = 1 << 16
_REFUSED = (429, 503)


class Load(NamedTuple):
    """What callers saw: how many answers had each status; the milliseconds of those of status 200;
    the seconds in all; how many connections ended without an answer; and the seconds of processor
    time that the callers took."""

    statuses: dict[int, int]
    milliseconds: list[float]
    seconds: float
    lost: int
    cpu: float

    @property
    def rate(self) -> float:
        return self.statuses.get(200, 0) / self.seconds


class _Caller:
    """A connection that sends one request after another, each when the last one is answered."""

    def __init__(self, address: Address, requests: Iterator[bytes]) -> None:
        self.address = address
        self.requests = requests
        self.socket = socket.create_connection(address, 60)
        self.socket.setblocking(False)
        self._left = memoryview(b"")
        self._answer = bytearray()
        self._end = 0  # of the answer; 0 as long as its head is not complete
        self.waits = False  # for an answer
        self.began = 0.0
        self.status = 0
        self.pause = 0.0  # seconds after which the server wants to be asked again
        self.closes = False  # the server will close this connection

    def begin(self) -> None:
        self._left = memoryview(next(self.requests))
        self._answer.clear()
        self._end, self.waits = 0, True
        self.began = time.perf_counter()

    def send(self) -> bool:
        """Sends what the socket takes; whether that was all."""
        while self._left:
            try:
                self._left = self._left[self.socket.send(self._left) :]
            except BlockingIOError:
                return False
        return True

    def receive(self) -> None:
        """Raises ConnectionError if the server has closed the connection."""
        piece = self.socket.recv(_PIECE)
        if not piece:
            raise ConnectionError("the connection was closed")
        self._answer += piece
        if not self._end:
            end = self._answer.find(b"\r\n\r\n")
            if end >= 0:
                self._read_head(bytes(self._answer[:end]), end + 4)
        self.waits = not self._end or len(self._answer) < self._end

    def _read_head(self, head: bytes, size: int) -> None:
        first, *lines = head.lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        self._end = size + int(headers[b"content-length"])
        self.pause = float(headers.get(b"retry-after", 0))
        self.closes = headers.get(b"connection") == b"close"
        self.status = int(first.split()[1])


def call(
    address: Address,
    requests: Sequence[bytes],
    callers: int,
    seconds: float,
    patient: bool = True,
) -> Load:
    """Each caller sends these requests in turn, and none after the time is up.

    ``patient``: those that are refused wait as long as the server says.
    """
    start = time.process_time()
    loop = _Loop(address, requests, callers, seconds, patient)
    loop.run()
    cpu = time.process_time() - start
    taken = time.perf_counter() - loop.start
    return Load(dict(loop.statuses), loop.milliseconds, taken, loop.lost, cpu)


class _Loop:
    def __init__(
        self,
        address: Address,
        requests: Sequence[bytes],
        callers: int,
        seconds: float,
        patient: bool,
    ) -> None:
        self.statuses: Counter[int] = Counter()
        self.milliseconds: list[float] = []
        self.lost = 0
        self._patient = patient
        self._selector = selectors.DefaultSelector()
        self._pausing: list[tuple[float, int, _Caller]] = []  # a heap, by the time of the end
        self._order = itertools.count()
        shift = len(requests) / callers
        crowd = [
            _Caller(address, itertools.cycle([*requests[first:], *requests[:first]]))
            for first in (int(i * shift) for i in range(callers))
        ]
        self.start = time.perf_counter()
        self._end = self.start + seconds
        for caller in crowd:
            self._selector.register(caller.socket, _READ, caller)
            self._try(self._begin, caller)

    def run(self) -> None:
        while self._selector.get_map():
            for key, mask in self._selector.select(self._timeout()):
                self._try(self._serve, key.data, mask)
            now = time.perf_counter()
            while self._pausing and self._pausing[0][0] <= now:
                self._try(self._begin, heapq.heappop(self._pausing)[2])
        self._selector.close()

    def _timeout(self) -> float | None:
        if not self._pausing:
            return None
        return max(0.0, self._pausing[0][0] - time.perf_counter())

    def _try(self, step: Callable[..., None], caller: _Caller, *arguments: int) -> None:
        if caller.socket.fileno() < 0:  # it was closed during its pause
            return
        try:
            step(caller, *arguments)
        except OSError:
            self.lost += caller.waits
            self._close(caller)

    def _begin(self, caller: _Caller) -> None:
        if time.perf_counter() >= self._end:
            self._close(caller)
            return
        if caller.closes:
            self._close(caller)
            caller = _Caller(caller.address, caller.requests)
            self._selector.register(caller.socket, _READ, caller)
        caller.begin()
        if not caller.send():
            self._selector.modify(caller.socket, _READ | _WRITE, caller)

    def _serve(self, caller: _Caller, mask: int) -> None:
        is_sent = True
        if self._selector.get_key(caller.socket).events & _WRITE:
            is_sent = caller.send()
            if is_sent:
                self._selector.modify(caller.socket, _READ, caller)
        if mask & _READ:
            caller.receive()
        if is_sent and not caller.waits:
            self._count(caller)

    def _count(self, caller: _Caller) -> None:
        now = time.perf_counter()
        self.statuses[caller.status] += 1
        if caller.status == 200:
            self.milliseconds.append(1000 * (now - caller.began))
        if caller.status in _REFUSED and self._patient:
            heapq.heappush(self._pausing, (now + caller.pause, next(self._order), caller))
        else:
            self._begin(caller)

    def _close(self, caller: _Caller) -> None:
        if caller.socket.fileno() >= 0:
            self._selector.unregister(caller.socket)
            caller.socket.close()
