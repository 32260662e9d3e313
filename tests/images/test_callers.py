"""What callers hand in: iterables, tensors, BGR arrays, asynchronous files."""

from __future__ import annotations

import asyncio
import io
import sys
import types
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import sqznet
from sqznet.errors import ImageError, SqznetError
from sqznet.images.callers import several
from sqznet.images.decoding import decode

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
