"""Connections of clients: those of uvicorn, with limits of their own, and without its copies."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, MutableMapping
from socket import SO_RCVLOWAT, SOL_SOCKET
from typing import Any

import httptools
import numpy as np
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sqznet.serving.deadline import deadline_of

# Bytes that are read at a time, but for long bodies.
_PIECE = 1 << 14
# Bytes of a long body for which the loop wakes up, where the system can wait for them.
_LARGE = 1 << 20
_WAITS = sys.platform == "linux"
# The longest head of a request, in bytes; also the most that may stand between parts of a body.
_HEAD = 1 << 16
_BODY = "body"
_GO_ON = b"HTTP/1.1 100 "


def _closing(status: bytes, error: bytes) -> bytes:
    """An answer after which the connection is closed."""
    body = b'{"error":"%s"}' % error
    return (
        b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n%s" % (status, len(body), body)
    )


_TOO_MANY = _closing(b"503 Service Unavailable\r\nretry-after: 1", b"too many connections")
_TOO_LONG = _closing(
    b"431 Request Header Fields Too Large", b"a head of more than %d bytes" % _HEAD
)


class Connection(HttpToolsProtocol, asyncio.BufferedProtocol):
    """A connection, as ``http`` of uvicorn's configuration takes it.

    A body that is longer than a piece, and whose length is known, is received where it will stay:
    see `long_body`. By uvicorn alone it would be copied four times, and wake its request for every
    64 KiB. The head and the body of an answer are sent together.

    ``seconds``: how long the head of a request may take, the rest of a body after its answer, and
    an answer that the client does not read. ``most``: the longest body that is kept, in bytes.
    ``crowd``: how many connections there may be; more are told so and closed.
    """

    def __init__(self, *args: Any, seconds: float, most: int, crowd: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds, self._most, self._crowd = seconds, most, crowd
        self._piece = memoryview(bytearray(_PIECE))
        self._in_head = False
        self._beside = 0  # bytes that came since the last of a body, or since its head's end
        self._length = 0  # of a long body whose head has just been read
        self._body: memoryview | None = None  # a long one, as long as somebody will read it
        self._missing = 0  # bytes of it
        self._timer: asyncio.TimerHandle | None = None

    # --- What asyncio calls ---

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._limit()
        if len(self.connections) > self._crowd:
            transport.write(_TOO_MANY)
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._unlimit()
        self._body, self._missing = None, 0
        waiting = [cycle for cycle, _ in self.pipeline]
        for cycle in (self.cycle, *waiting) if self.cycle else ():
            if deadline := deadline_of(cycle.scope["state"]):
                deadline.leave()

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._body is not None:
            return self._body[-self._missing :]
        return self._piece[: self._missing or _PIECE]

    def buffer_updated(self, count: int) -> None:
        if not self._missing:
            self.data_received(bytes(self._piece[:count]))
            return
        self._missing -= count
        if self.cycle.response_complete:
            self._body = None
        self._wait_for(self._missing)
        if not self._missing:
            self._end_body()

    def data_received(self, data: bytes) -> None:
        self._beside += len(data)
        super().data_received(data)
        if self._beside > _HEAD:
            self.transport.write(_TOO_LONG)
            self.transport.close()
            return
        if self._length and self.cycle.more_body:
            self._begin_body()
        if self._in_head and self._timer is None:
            self._limit()

    # --- What the parser calls ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._beside = 0
        if self.scope["method"] != "HEAD":  # whose answer has no body
            self.cycle.transport = _Answer(self.transport)  # type: ignore[assignment]
        self._in_head = False
        self._unlimit()
        length = _length_of(self.headers)
        self._length = length if _PIECE < length <= self._most else 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._beside = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._beside = 0
        self._unlimit()
        if self.cycle.response_complete:  # it was refused; now the next one has as much time
            self._limit()

    # --- What uvicorn calls ---

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            if self.timeout_keep_alive_task is not None:
                self.timeout_keep_alive_task.cancel()
            self._limit()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._limit()  # what is written may wait for a client that does not read

    # ---

    def _begin_body(self) -> None:
        """Takes the beginning of a long body from its request, which has not seen it yet."""
        cycle, begun = self.cycle, self.cycle.body
        cycle.body = bytearray()
        cycle.message_event.clear()
        body = np.empty(self._length, np.uint8).data  # unlike a bytearray not filled with 0
        body[: len(begun)] = begun
        self._body, self._missing, self._length = body, self._length - len(begun), 0
        self._wait_for(self._missing)

    def _wait_for(self, size: int) -> None:
        """Lets the loop wake up only when so many bytes have come, or a large piece, instead of for
        each packet. The system makes room for them."""
        if _WAITS:
            socket = self.transport.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_RCVLOWAT, min(max(size, 1), _LARGE))

    def _end_body(self) -> None:
        self.cycle.scope["state"][_BODY] = self._body
        self._body = None
        self.on_message_complete()
        self.parser = httptools.HttpRequestParser(self)  # the old one still waits for the body

    def _limit(self) -> None:
        self._unlimit()
        self._timer = self.loop.call_later(self._seconds, self.transport.abort)

    def _unlimit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Answer:
    """Where uvicorn writes an answer: holds its head until its body is there."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if data.startswith(_GO_ON):
            self._transport.write(data)
        elif self._head is None:
            self._head = data
        else:
            self._transport.write((self._head or b"") + data)
            self._head = b""

    def close(self) -> None:
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


def long_body(state: MutableMapping[str, Any]) -> memoryview | None:
    """Takes the body that was received beside a request's messages, which then are empty;
    ``state``: that of the request, after its last message."""
    found: memoryview | None = state.pop(_BODY, None)
    return found


def _length_of(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The length of a body; 0 if it is not known."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)  # the parser takes digits alone
    return 0
