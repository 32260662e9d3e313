"""Text from callers: paths with a tilde, addresses, base64."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet.errors import ImageError
from sqznet.images import fetching
from sqznet.images.decoding import decode, describe

from ..support.places import COFFEE


@pytest.fixture(scope="module")
def model(small: Path) -> sqznet.Model:
    return sqznet.load(small, threads=2)


# --- Text in place of a path ------------------------------------------------------------------


def test_a_tilde_is_the_home_folder(
    model: sqznet.Model, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "one").mkdir()
    for name in ("a.jpg", "one/b.jpg"):
        (tmp_path / name).write_bytes(COFFEE.read_bytes())
    (tmp_path / "w.safetensors").write_bytes(small.read_bytes())
    (tmp_path / "names.txt").write_text("\n".join("abcdefg"))
    assert model.classify("~/a.jpg") == model.classify(COFFEE)
    found = [result.path for result in model.classify_files(["~/a.jpg", "~/one", "~/o*/*.jpg"])]
    assert found == [str(tmp_path / "a.jpg"), str(tmp_path / "one" / "b.jpg")]
    loaded = sqznet.load("~/w.safetensors", labels="~/names.txt", threads=1)
    assert loaded.labels == tuple("abcdefg")
    sqznet.learn("~", model=loaded, report=lambda _: None).save("~/own.sqz")
    assert sqznet.load("~/own.sqz", backbone="~/w.safetensors").labels == ("one",)
    assert (
        sqznet.convert("~/w.safetensors", "~/w.npz").nbytes == (tmp_path / "w.npz").stat().st_size
    )


def test_a_file_whose_name_begins_with_a_tilde_is_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~").write_bytes(COFFEE.read_bytes())
    assert decode("~").width == decode(COFFEE).width
    with pytest.raises(ImageError, match=r"~nobody-here/a\.jpg: no such file"):
        decode("~nobody-here/a.jpg")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://example.org/a.jpg?size=3", r"an address.*download it first.*allow_urls=True"),
        ("HTTP://example.org", "download it first"),
        ("s3://bucket/a.jpg", "an address, expected a file: download it first$"),
        ("data:image/png;base64,iVBORw0KGgo=", r"a data URL.*b64decode"),
        (base64.b64encode(COFFEE.read_bytes()).decode(), r"base64 text.*b64decode"),
        (base64.b64encode(COFFEE.read_bytes()).decode()[:200], r"base64 text.*b64decode"),
        ("https://me:secret@example.org/a.jpg", "^https://example.org/a.jpg: an address"),
        ("x" * 5000, "(?i)name too long"),
        ("no such photo.jpg", "no such file"),
    ],
)
def test_text_that_is_no_path_is_named_shortly(text: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        decode(text)
    assert len(str(caught.value)) < 400
    assert str(caught.value).startswith(describe(text))


def test_long_text_on_the_command_line(run: Any) -> None:
    text = base64.b64encode(COFFEE.read_bytes()).decode()
    code, out, err = run("classify", text)
    assert (code, out) == (1, "")
    assert "base64 text" in err
    assert len(err) < 300
    code, out, err = run("classify", "https://example.org/a.jpg?x=*")
    assert (code, out) == (1, "")
    assert "download it first" in err


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    with pytest.raises(ImageError, match="a link to a file that does not exist"):
        decode(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match=r"(?i)symbolic links"):
        decode(tmp_path / "loop.jpg")


# --- Addresses --------------------------------------------------------------------------------


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/absent.jpg":
            self.send_error(404)
        else:
            content = COFFEE.read_bytes() if "jpg" in self.path else b"<html>"
            self.send_response(200)
            length = len(content) + 9 * (self.path == "/short.jpg")
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SQZNET_OFFLINE", raising=False)


def test_an_address_is_fetched_when_it_is_allowed(model: sqznet.Model, site: str) -> None:
    expected = model.classify(COFFEE)
    for address in (f"{site}/a.jpg", f"{site}/to//b.jpg", f"{site}/to/{site}/b.jpg"):
        assert model.classify(address, allow_urls=True) == expected
    assert model.classify([f"{site}/a.jpg", COFFEE], allow_urls=True) == [expected] * 2
    assert asyncio.run(model.aclassify(f"{site}/a.jpg", allow_urls=True)) == expected
    assert model.heatmap(f"{site}/a.jpg", allow_urls=True).label == expected[0].label
    with pytest.raises(ImageError, match="download it first"):
        model.classify(f"{site}/a.jpg")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/absent.jpg", "the server answered 404"),
        ("/short.jpg", "broke off 9 bytes before the end"),
        ("/page", "a web page"),
        ("/to/file:///etc/passwd", "is not allowed|which is refused"),
        ("/to/ftp://127.0.0.1/a.jpg", "a redirection from http to ftp, which is refused"),
        ("/to/http://[", "cannot be downloaded"),
    ],
)
def test_an_address_without_a_photo(site: str, path: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        decode(f"{site}{path}", allow_urls=True)
    assert str(caught.value).startswith(f"{site}{path}: ")


def test_limits_of_fetching(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, reason in (
        ("_MAX_BYTES", 1000, "too much for an image"),
        ("_LONGEST", 0.0, "not complete after"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(fetching, name, value)
            with pytest.raises(ImageError, match=reason):
                decode(f"{site}/a.jpg", allow_urls=True)
    monkeypatch.setenv("SQZNET_OFFLINE", "1")
    with pytest.raises(ImageError, match="SQZNET_OFFLINE forbids"):
        decode(f"{site}/a.jpg", allow_urls=True)


@pytest.mark.parametrize(
    "address", ["http://", "http://127.0.0.1:1/a.jpg", "http://a b/", "https://[x"]
)
def test_addresses_that_lead_nowhere(address: str) -> None:
    with pytest.raises(ImageError, match="cannot be downloaded"):
        decode(address, allow_urls=True)
