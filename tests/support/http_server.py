"""A local server that serves one file, correctly or with faults."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """What it serves, how, and the requests.

    content: the file. faults: what goes wrong with the next answers, one after the other:
    "cut" closes the connection halfway, "stall" goes silent there, "mute" never answers, "garbage"
    answers nonsense, "part" sends another part than asked for, an integer is an error's code.
    ranges: whether parts can be asked for. says_close: whether an answer of unknown length
    announces that the connection will be closed, as it ought to. validators: the headers that name
    the version. asked: the Range header of each request, or None.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.faults: list[str | int] = []
        self.ranges = True
        self.has_length = True
        self.says_close = True
        self.validators = ("ETag",)
        self.asked: list[str | None] = []
        self.url = ""
        self.released = threading.Event()

    def headers(self) -> dict[str, str]:
        digest = hashlib.sha256(self.content).hexdigest()[:8]
        known = {
            "ETag": f'"{digest}"',
            "Weak": f'W/"{digest}"',
            "Last-Modified": f"Mon, 01 Jan 2024 00:00:{int(digest, 16) % 60:02} GMT",
        }
        return {"ETag" if name == "Weak" else name: known[name] for name in self.validators}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        told: Server = self.server.told
        asked = self.headers.get("Range")
        told.asked.append(asked)
        fault = told.faults.pop(0) if told.faults else None
        if isinstance(fault, int):
            self.send_error(fault)
            return
        if fault == "mute":
            told.released.wait(20)
            self.close_connection = True
            return
        if fault == "garbage":
            self.wfile.write(b"what?\r\n\r\n")
            self.close_connection = True
            return
        content, start = told.content, 0
        if asked and told.ranges and self.headers.get("If-Range") in told.headers().values():
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        for name, value in told.headers().items():
            self.send_header(name, value)
        if start:
            begin = start + (fault == "part")
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if told.has_length:
            self.send_header("Content-Length", str(len(content) - start))
        else:
            if told.says_close:
                self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        half = (start + len(content)) // 2
        if fault in ("cut", "stall"):
            self.wfile.write(content[start:half])
            self.wfile.flush()
            if fault == "stall":
                told.released.wait(20)
            self.close_connection = True
        else:
            self.wfile.write(content[start:])

    def log_message(self, *args: object) -> None:
        """Nothing on stderr."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """A client that disconnects is part of the test."""


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1, for as long as the block runs."""
    told = Server(content)
    with _Quiet(("127.0.0.1", 0), _Handler) as server:
        server.told = told  # type: ignore[attr-defined]
        told.url = f"http://127.0.0.1:{server.server_port}/weights.pth"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield told
        finally:
            told.released.set()
            server.shutdown()
            thread.join()


def wait_for(condition: Any, seconds: float = 5) -> None:
    """Waits until the condition holds; raises AssertionError after a timeout."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
