"""What callers hand in: iterables, tensors, BGR arrays, addresses, base64, asynchronous files."""

from __future__ import annotations

import asyncio
import base64
import io
import sys
import threading
import types
import warnings
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import sqznet
from sqznet.errors import ImageError, SqznetError
from sqznet.images import fetching
from sqznet.images.callers import several
from sqznet.images.decoding import decode, describe

from ..support.places import COFFEE, EXAMPLES

CAT = EXAMPLES / "chelsea.jpg"


@pytest.fixture(scope="module")
def model(small: Path) -> sqznet.Model:
    return sqznet.load(small, threads=2)


@pytest.fixture(scope="module")
def photo() -> npt.NDArray[np.uint8]:
    with Image.open(COFFEE) as image:
        return np.asarray(image.convert("RGB"))


# --- Several images ---------------------------------------------------------------------------


class Series:
    """Like a Series of pandas: one dimension, an array of objects, iterable."""

    def __init__(self, values: list[Any]) -> None:
        self._values = np.array(values, dtype=object)
        self.shape, self.dtype = self._values.shape, self._values.dtype

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return self._values

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)


def test_any_iterable_of_images_is_several(model: sqznet.Model) -> None:
    paths = [str(COFFEE), str(CAT), str(COFFEE)]
    expected = model.classify(paths, top=2)
    for images in (
        tuple(paths), iter(paths), (path for path in paths), map(Path, paths), deque(paths),
        dict(enumerate(paths)).values(),
        Series(paths), np.array(paths), np.array(paths, dtype=object),
    ):  # fmt: skip
        assert model.classify(images, top=2) == expected
    assert model.classify({COFFEE}, top=2) == expected[:1]
    assert model.classify(iter([])) == []
    np.testing.assert_array_equal(model.embed(iter(paths)), model.embed(paths))
    assert model.embed(iter([])).shape == model.embed([]).shape


def test_four_dimensions_are_several(model: sqznet.Model, photo: npt.NDArray[np.uint8]) -> None:
    batch = np.stack([photo, photo[::-1]])
    assert model.classify(batch) == model.classify([photo, photo[::-1]])


def test_a_generator_is_read_a_few_at_a_time(model: sqznet.Model) -> None:
    read = []

    def photos() -> Iterator[Any]:
        for i in range(7):
            read.append(i)
            yield COFFEE if i < 4 else "absent.jpg"

    with pytest.raises(ImageError, match="absent"):
        model.classify(photos())
    assert len(read) < 7


@pytest.mark.parametrize(
    "image",
    ["a.jpg", Path("a.jpg"), b"x", bytearray(2), memoryview(b"x"), io.BytesIO(), {"a": 1}, 7, None,
     np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8), Image.new("L", (3, 3)),
     np.zeros(9, np.uint8), sqznet.Frame.wrap(np.zeros((4, 4), np.uint8))],
)  # fmt: skip
def test_a_single_image_is_not_several(image: Any) -> None:
    assert several(image) is None


def test_a_recognizer_takes_the_same(model: sqznet.Model) -> None:
    recognizer = sqznet.learn({"cup": iter([COFFEE] * 2), "cat": {CAT}}, model=model)
    assert recognizer.num_images == 3
    assert recognizer.classify(iter([COFFEE, CAT])) == recognizer.classify([COFFEE, CAT])


# --- Arrays and tensors -----------------------------------------------------------------------


def test_bgr(model: sqznet.Model, photo: npt.NDArray[np.uint8]) -> None:
    bgr: Any = photo[..., ::-1]
    expected = model.classify(photo)
    assert model.classify(bgr) != expected
    assert model.classify(bgr, channels="bgr") == expected
    assert model.classify([bgr, COFFEE], channels="bgr")[0] == expected
    assert model.classify(COFFEE, channels="bgr") == model.classify(COFFEE)  # files know theirs
    picture = Image.fromarray(photo)
    assert model.classify(picture, channels="bgr") == expected
    assert asyncio.run(model.aclassify(bgr, channels="bgr")) == expected
    np.testing.assert_array_equal(model.embed(bgr, channels="bgr"), model.embed(photo))
    np.testing.assert_array_equal(model.preprocess(bgr, channels="bgr"), model.preprocess(photo))
    np.testing.assert_array_equal(model.heatmap(bgr, channels="bgr"), model.heatmap(photo))
    assert model.localize(bgr, channels="bgr") == model.localize(photo)
    (maps,) = model.feature_maps([bgr], channels="bgr")
    np.testing.assert_array_equal(maps["logits"], model.logits(model.preprocess(photo))[0])
    assert sqznet.classify(bgr, channels="bgr") == sqznet.classify(photo)


def test_bgr_for_a_recognizer(model: sqznet.Model, photo: npt.NDArray[np.uint8]) -> None:
    bgr: Any = photo[..., ::-1]
    one = sqznet.learn({"cup": [photo], "cat": [CAT]}, model=model)
    other = sqznet.learn({"cup": [bgr], "cat": [CAT]}, model=model, channels="bgr")
    for recognizer in (one, other):
        recognizer.add("cup", [photo[::-1]] if recognizer is one else [bgr[::-1]],
                       channels="rgb" if recognizer is one else "bgr")  # fmt: skip
    assert one.classify(photo) == other.classify(bgr, channels="bgr")
    assert one.is_unknown(photo) == other.is_unknown(bgr, channels="bgr")


@pytest.mark.parametrize("order", ["rbg", "BGR", None, 3])
def test_other_orders_are_refused(model: sqznet.Model, order: Any) -> None:
    for call in (model.classify, model.embed, model.heatmap, model.preprocess):
        with pytest.raises(SqznetError, match=r"channels is .*expected 'rgb' or 'bgr'"):
            call(COFFEE, channels=order)


class Tensor:
    """Like torch's: no buffer, a conversion to NumPy, a device."""

    def __init__(self, array: npt.NDArray[Any], device: str = "cpu") -> None:
        self._array = array
        self.shape, self.dtype = array.shape, f"torch.{array.dtype}"
        self.device = types.SimpleNamespace(type=device)

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        if self.device.type != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        return self._array

    def __iter__(self) -> Iterator[Tensor]:
        return map(Tensor, self._array)


@pytest.fixture
def tensor(monkeypatch: pytest.MonkeyPatch) -> type[Tensor]:
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(Tensor=Tensor))
    return Tensor


def test_tensors_with_the_channels_first_or_last(
    model: sqznet.Model, tensor: type[Tensor], photo: npt.NDArray[np.uint8]
) -> None:
    expected = model.classify(photo)
    first = np.moveaxis(photo, 2, 0)
    assert model.classify(tensor(photo)) == expected
    assert model.classify(tensor(first)) == expected
    assert model.classify(tensor(first.copy())) == expected
    assert model.classify(tensor(np.stack([first, first]))) == [expected] * 2
    gray = photo[..., 0]
    for one in (gray, gray[None], gray[..., None]):
        assert model.classify(tensor(one)) == model.classify(gray)


@pytest.mark.parametrize(
    ("array", "device", "reason"),
    [
        (np.zeros((3, 8, 8), np.float32), "cpu", "float32 elements.*scale to 0..255"),
        (np.zeros((2, 8, 8), np.uint8), "cpu", r"the shape \(2, 8, 8\)"),
        (np.zeros((3, 8, 8), np.uint8), "cuda", r"a tensor on .*call \.cpu\(\)"),
    ],
)
def test_other_tensors_are_refused(
    tensor: type[Tensor], array: npt.NDArray[Any], device: str, reason: str
) -> None:
    with pytest.raises(ImageError, match=reason):
        decode(tensor(array, device))  # type: ignore[arg-type]


def test_tensors_of_torch(model: sqznet.Model, photo: npt.NDArray[np.uint8]) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    first = torch.from_numpy(photo.copy()).permute(2, 0, 1)
    assert model.classify(first) == model.classify(photo)
    assert model.classify(torch.stack([first, first])) == [model.classify(photo)] * 2


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


# --- Asynchronous files -----------------------------------------------------------------------


class Upload:
    """Like an uploaded file of a web framework."""

    def __init__(self, content: Any) -> None:
        self._file = content if isinstance(content, list) else [content]

    async def read(self, size: int = -1) -> Any:
        await asyncio.sleep(0)
        piece = self._file.pop(0) if self._file else b""
        if isinstance(piece, Exception):
            raise piece
        return piece


def test_an_asynchronous_file_is_awaited(model: sqznet.Model) -> None:
    content = COFFEE.read_bytes()
    for pieces in ([content], [content[:1000], content[1000:]]):
        assert asyncio.run(model.aclassify(Upload(pieces))) == model.classify(COFFEE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("text", "opened for text"), (b"no photo", "no image format"), (b"", "an empty file"),
     (3, "gave a int, expected bytes"), (OSError(5, "the line is dead"), "the line is dead")],
)  # fmt: skip
def test_asynchronous_files_that_misbehave(model: sqznet.Model, content: Any, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        asyncio.run(model.aclassify(Upload(content)))


def test_elsewhere_an_asynchronous_file_is_refused(model: sqznet.Model) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=r"is asynchronous: await it.*aclassify"):
            model.classify(Upload(COFFEE.read_bytes()))


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
        ("/to/file:///etc/passwd", "not allowed"),
        ("/to/ftp://127.0.0.1/a.jpg", "redirects from http to another scheme"),
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
        ("_DEADLINE", -1.0, "not complete after"),
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


def test_https_never_leads_to_another_scheme() -> None:
    from urllib.request import Request

    (handler,) = [
        handler
        for handler in fetching.opener().handlers
        if type(handler).__name__ == "Redirections"
    ]
    for target in ("http://example.org/", "ftp://example.org/", "file:///etc/passwd"):
        with pytest.raises(OSError, match="from https to another scheme"):
            handler.redirect_request(Request("https://example.org"), None, 302, "", {}, target)
    assert handler.redirect_request(
        Request("https://example.org"), None, 302, "", {}, "https://example.org/b"
    )
