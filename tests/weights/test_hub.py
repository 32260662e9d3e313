"""Named files are downloaded once and completely, and only if they are the published ones."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sqznet.errors import WeightsError
from sqznet.files import connections
from sqznet.weights import hub, hub_download

from ..support.http_server import Server, serving, wait_for

NAME = "torchvision/squeezenet1_1"
CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no pauses."""
    monkeypatch.setenv("SQZNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SQZNET_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub_download, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(connections, "SILENCE", 5.0)
    return tmp_path / "cache"


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves CONTENT as the file for NAME."""
    with serving(CONTENT) as started:
        monkeypatch.setitem(hub.FILES, NAME, hub.Remote(started.url, SHA256))
        yield started


def kept(cache: Path) -> Path:
    return cache / "torchvision" / "weights.pth"


def assert_fetched(cache: Path) -> None:
    assert hub.fetch(NAME) == str(kept(cache))
    assert kept(cache).read_bytes() == CONTENT
    others = {path.name for path in kept(cache).parent.iterdir()} - {"weights.pth"}
    assert others == {"weights.pth.lock"}


def assert_fails(match: str) -> str:
    with pytest.raises(WeightsError, match=match) as caught:
        hub.fetch(NAME)
    message = str(caught.value)
    assert message.startswith(f"{NAME}: ")
    assert "\n" not in message
    return message


# --- The cache -------------------------------------------------------------------------------


def test_a_file_is_downloaded_once(cache: Path, server: Server) -> None:
    assert_fetched(cache)
    assert_fetched(cache)
    assert server.asked == [None]


def test_a_hash_with_only_the_beginning_known(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hub.FILES, NAME, hub.Remote(server.url, SHA256[:8]))
    assert_fetched(cache)


@pytest.mark.parametrize("change", [b"", CONTENT[:-1], CONTENT[:-1] + b"x"])
def test_a_cached_file_that_was_damaged_is_downloaded_again(
    cache: Path, server: Server, change: bytes
) -> None:
    assert_fetched(cache)
    kept(cache).write_bytes(change)
    assert_fetched(cache)
    assert server.asked == [None, None]


def test_offline(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQZNET_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        hub.fetch(NAME)
    assert f"download {server.url} and put it at {kept(cache)}" in str(caught.value)
    assert not cache.exists()
    monkeypatch.setenv("SQZNET_OFFLINE", "0")
    assert_fetched(cache)
    monkeypatch.setenv("SQZNET_OFFLINE", "1")
    assert_fetched(cache)
    kept(cache).write_bytes(b"x")
    with pytest.raises(WeightsError, match="is damaged in the cache"):
        hub.fetch(NAME)
    assert server.asked == [None]


def test_a_file_put_there_manually(cache: Path, server: Server) -> None:
    kept(cache).parent.mkdir(parents=True)
    kept(cache).write_bytes(CONTENT)
    assert hub.fetch(NAME) == str(kept(cache))
    assert server.asked == []


def test_the_platforms_cache_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = types.ModuleType("platformdirs")
    stand_in.user_cache_dir = lambda name, appauthor: f"/caches/{name}"  # type: ignore[attr-defined]
    monkeypatch.delenv("SQZNET_CACHE", raising=False)
    monkeypatch.setitem(sys.modules, "platformdirs", stand_in)
    assert hub.cache_folder() == "/caches/sqznet"
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(WeightsError, match=r"pip install platformdirs"):
        hub.cache_folder()


def test_a_cache_that_cannot_be_made(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_bytes(b"a file where the folder should be")
    assert_fails(r"cannot be written to .*weights\.pth: .*SQZNET_CACHE can name another")
    assert server.asked == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser can write everywhere"
)
def test_a_cache_that_is_read_only(cache: Path, server: Server) -> None:
    assert_fetched(cache)
    kept(cache).parent.chmod(0o555)
    try:
        assert hub.fetch(NAME) == str(kept(cache))
        kept(cache).write_bytes(b"x")
        assert_fails("cannot be written")
    finally:
        kept(cache).parent.chmod(0o755)


# --- Connections that fail -------------------------------------------------------------------


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_a_cut_connection_is_resumed(cache: Path, server: Server, validator: str) -> None:
    server.validators = (validator,)
    server.faults = ["cut", "cut"]
    assert_fetched(cache)
    half = len(CONTENT) // 2
    assert server.asked == [None, f"bytes={half}-", f"bytes={(half + len(CONTENT)) // 2}-"]


def test_a_later_call_resumes_too(cache: Path, server: Server) -> None:
    server.faults = ["cut", 500, 500]
    message = assert_fails("answered 500 .*the part received so far is kept")
    assert f"or download {server.url} and put it at {kept(cache)}" in message
    assert not kept(cache).exists()
    assert kept(cache).with_name("weights.pth.part").stat().st_size == len(CONTENT) // 2
    assert_fetched(cache)
    assert server.asked[-1] == f"bytes={len(CONTENT) // 2}-"


@pytest.mark.parametrize("validators", [(), ("Weak",)])
def test_a_file_that_may_have_changed_is_not_resumed(
    cache: Path, server: Server, validators: tuple[str, ...]
) -> None:
    server.validators = validators
    server.faults = ["cut"]
    assert_fetched(cache)
    assert server.asked == [None, None]


def test_a_server_that_ignores_ranges(cache: Path, server: Server) -> None:
    server.ranges = False
    server.faults = ["cut"]
    assert_fetched(cache)


def test_a_file_that_changes_between_attempts(cache: Path, server: Server) -> None:
    server.content = b"an older one" * 999
    server.faults = ["cut", 500, 500]
    assert_fails("500")
    server.content = CONTENT
    assert_fetched(cache)
    assert server.asked[-1] is not None


def test_a_part_that_was_damaged_is_dropped(cache: Path, server: Server) -> None:
    """Its version is correct but its bytes are not: the whole file is downloaded again."""
    server.faults = ["cut", 500, 500]
    assert_fails("500")
    part = kept(cache).with_name("weights.pth.part")
    part.write_bytes(bytes(part.stat().st_size))
    assert_fetched(cache)
    assert server.asked[-1] is None


def test_a_part_that_is_too_long_is_dropped(cache: Path, server: Server) -> None:
    server.faults = ["cut", 500, 500]
    assert_fails("500")
    kept(cache).with_name("weights.pth.part").write_bytes(bytes(len(CONTENT) + 5))
    assert_fetched(cache)


def test_another_part_than_requested(cache: Path, server: Server) -> None:
    server.faults = ["cut", "part"]
    assert_fetched(cache)
    assert server.asked[-1] is None


@pytest.mark.parametrize("fault", ["stall", "mute"])
def test_a_server_that_goes_silent(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(connections, "SILENCE", 0.1)
    server.faults = [fault] * 3
    assert_fails("timed out.*the part received so far is kept")
    assert len(server.asked) == 3
    monkeypatch.setattr(connections, "SILENCE", 5.0)
    assert_fetched(cache)


def test_a_server_that_answers_nonsense(cache: Path, server: Server) -> None:
    server.faults = ["garbage"] * 3
    assert_fails("does not answer")


def test_no_server_at_all(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/weights.pth"
        monkeypatch.setitem(hub.FILES, NAME, hub.Remote(url, SHA256))
        assert_fails("cannot be reached.*refused")


def test_a_missing_file_is_not_requested_again(cache: Path, server: Server) -> None:
    server.faults = [404, 404]
    assert_fails("answered 404 Not Found; or download")
    assert server.asked == [None]


# --- Wrong files -----------------------------------------------------------------------------


@pytest.mark.parametrize("has_length", [True, False])
def test_wrong_bytes_are_not_kept(cache: Path, server: Server, has_length: bool) -> None:
    server.content = b"<html>Sign in to this network</html>"
    server.has_length = has_length
    assert_fails("another sha256 than")
    assert [path.name for path in kept(cache).parent.iterdir()] == ["weights.pth.lock"]


def test_a_file_without_a_stated_length(cache: Path, server: Server) -> None:
    server.has_length = False
    assert_fetched(cache)


def test_an_endless_file(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_download, "_MAX_BYTES", 1000)
    server.has_length = False
    assert_fails("more than 1000 bytes")
    assert kept(cache).with_name("weights.pth.part").stat().st_size == 0


# --- Two at the same time --------------------------------------------------------------------


def test_two_threads_download_once(cache: Path, server: Server) -> None:
    pytest.importorskip("fcntl", reason="locks are POSIX's")
    server.faults = ["stall"]
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(hub.fetch(NAME))) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: server.asked)
    server.released.set()
    for thread in threads:
        thread.join()
    assert found == [str(kept(cache))] * 2
    # The stalled answer and the one that resumed it; the second thread requested nothing.
    assert server.asked == [None, f"bytes={len(CONTENT) // 2}-"]


# --- Progress --------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_at_a_terminal_only(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert_fetched(cache)
    assert capsys.readouterr() == ("", "")
    kept(cache).unlink()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert_fetched(cache)
    text = terminal.getvalue()
    assert text.endswith("\rweights.pth  100 %  0.5 MB of 0.5 MB\n")
    kept(cache).unlink()
    monkeypatch.setattr(sys, "stderr", None)
    assert_fetched(cache)
