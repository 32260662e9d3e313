"""Servers, addresses and caches that do whatever they like: one WeightsError, and in time."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request

import pytest

from sqznet.errors import WeightsError
from sqznet.files import connections
from sqznet.files.connections import Deadline, opener
from sqznet.weights import hub, hub_download

from ..support.http_server import serving

NAME = "torchvision/squeezenet1_1"
Answer = Callable[[socket.socket], None]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SQZNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SQZNET_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub_download, "_PAUSES", (0.0,))
    monkeypatch.setattr(connections, "SILENCE", 5.0)
    return tmp_path / "cache"


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server that reads each request and then does this; its address."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    answer(connection)
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/weights.pth"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def sends(*lines: bytes) -> Answer:
    return lambda connection: connection.sendall(b"\r\n".join([*lines, b"", b"body"]))


def fails(monkeypatch: pytest.MonkeyPatch, url: str, match: str) -> None:
    monkeypatch.setitem(hub.FILES, NAME, hub.Remote(url, "0" * 64))
    with pytest.raises(WeightsError, match=match) as caught:
        hub.fetch(NAME)
    message = str(caught.value)
    assert message.startswith(f"{NAME}: ")
    assert message.isprintable()
    assert len(message) < 1000


# --- Answers ---------------------------------------------------------------------------------

LOCATIONS = [
    b"http://[::1", b"http://ex ample/", b"https://" + b"a" * 64 + b".example/x", b"//",
    b"http://127.0.0.1:99999/", b"http://127.0.0.1:x/", b"\xff\xfe", b"http://\xff/", b"http://",
    b"file:///etc/passwd", b"ftp://127.0.0.1/x", b"data:,x", b"jar:file:x", b"gopher://x/",
    b"http://xn--\xe9/", b"",
]  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS)
def test_bad_locations(cache: Path, monkeypatch: pytest.MonkeyPatch, location: bytes) -> None:
    answer = sends(b"HTTP/1.1 302 Found", b"Location: " + location, b"Content-Length: 0")
    with answering(answer) as url:
        fails(monkeypatch, url, "server")


def test_a_location_that_leads_to_itself(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(sends(b"HTTP/1.1 302 Found", b"Location: /weights.pth")) as url:
        fails(monkeypatch, url, "answered 302")


ANSWERS = [
    (b"HTTP/1.1 200 OK", b"Content-Length: -5"),
    (b"HTTP/1.1 200 OK", b"Content-Length: 1e3"),
    (b"HTTP/1.1 200 OK", b"Content-Length: \xb2"),
    (b"HTTP/1.1 200 OK", b"Content-Length: 5, 7"),
    (b"HTTP/1.1 200 OK", b"Content-Length: 400"),
    (b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked"),
    (b"HTTP/1.1 200 OK", b"ETag: \xff\x01\x7f"),
    (b"HTTP/1.1 200 " + b"O" * 70000,),
    (b"HTTP/1.1 200 OK", *[b"X: y"] * 300),
    (b"HTTP/1.1 200 OK", b"X: " + b"y" * 70000),
    (b"HTTP/1.1 999 Odd",),
    (b"HTTP/1.1 99999999999999999999 Odd",),
    (b"HTTP/1.1 204 No Content",),
    (b"HTTP/1.1 206 Partial", b"Content-Range: bytes 7-9/10"),
    (b"HTTP/1.1 206 Partial",),
    (b"HTTP/1.1 404 \x1b[2J\xff",),
    (b"HTTP/1.1 100 Continue",),
    (b"SSH-2.0-OpenSSH_9.2",),
    (b"",),
]


@pytest.mark.parametrize("lines", ANSWERS)
def test_bad_answers(
    cache: Path, monkeypatch: pytest.MonkeyPatch, lines: tuple[bytes, ...]
) -> None:
    with answering(sends(*lines)) as url:
        fails(monkeypatch, url, "server|connection|sha256")
    assert not (cache / "torchvision" / "weights.pth").exists()


@pytest.mark.parametrize("length", [b"67108865", b"9" * 18, b"9" * 5000])
def test_lengths_beyond_any_weights_file(
    cache: Path, monkeypatch: pytest.MonkeyPatch, length: bytes
) -> None:
    with answering(sends(b"HTTP/1.1 200 OK", b"Content-Length: " + length)) as url:
        fails(monkeypatch, url, "the server has more than 67108864 bytes for it")


# --- Addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"https://{'a' * 64}.example/x",
        "https://ex..ample/x",
        "http://[::1/x",
        "http://127.0.0.1:0/x",
        "http://127.0.0.1:99999/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "data:,x",
        "weights",
    ],
)
def test_bad_addresses(cache: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    fails(monkeypatch, url, "server")


@pytest.mark.parametrize("target", ["http://127.0.0.1/x", "ftp://h/x", "file:///x", "//[::1"])
def test_https_leads_to_no_other_scheme(target: str) -> None:
    handlers = opener(Deadline(9)).handlers  # type: ignore[attr-defined]
    (redirects,) = (each for each in handlers if isinstance(each, HTTPRedirectHandler))
    request = Request("https://127.0.0.1/x")
    if target == "//[::1":
        with pytest.raises(ValueError, match="Invalid IPv6"):
            redirects.redirect_request(request, None, 302, "", {}, target)
        return
    with pytest.raises(HTTPError, match="a redirection from https to"):
        redirects.redirect_request(request, None, 302, "", {}, target)
    found = redirects.redirect_request(request, None, 302, "", {}, "https://other/y")
    assert found is not None
    assert found.full_url == "https://other/y"


# --- Time ------------------------------------------------------------------------------------


def trickle(connection: socket.socket, start: bytes) -> None:
    connection.sendall(start)
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_server_that_sends_a_byte_now_and_then(
    cache: Path, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(hub_download, "_LONGEST", 0.4)
    began = time.monotonic()
    with answering(lambda connection: trickle(connection, start)) as url:
        fails(monkeypatch, url, "not complete after 0 seconds")
        assert time.monotonic() - began < 60  # the server itself never ends


def test_another_process_that_never_ends(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(hub_download, "_LONGEST", 0.2)
    (cache / "torchvision").mkdir(parents=True)
    with open(cache / "torchvision" / "weights.pth.lock", "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fails(monkeypatch, "https://127.0.0.1/weights.pth", "another process has been downloading")


# --- The cache -------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("suffix", ["", ".lock", ".part", ".part.tag"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_special_files_in_the_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, kind: str
) -> None:
    place = cache / "torchvision" / f"weights.pth{suffix}"
    place.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("/dev/zero")
    with serving(b"content") as server:
        fails(monkeypatch, server.url, "is there and no regular file: remove it")
        assert server.asked == []
    assert place.exists()


def test_a_cache_that_no_file_system_can_have(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("SQZNET_CACHE", "x" * 300)
    fails(monkeypatch, "https://127.0.0.1/x", "cannot be written")
