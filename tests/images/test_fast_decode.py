"""JPEG files decoded at a half, a quarter or an eighth of their size."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet.cli.main import main
from sqznet.images.decoding import decode
from sqznet.images.preprocessing import Preprocessing, geometry

from ..support.places import COFFEE


def jpeg(width: int, height: int, kind: str = "JPEG", **options: Any) -> bytes:
    """Smooth and different in every corner."""
    y, x = np.mgrid[:height, :width]
    levels = np.stack([x * 200 // width, y * 220 // height, 255 - (x + y) * 99 // (width + height)])
    file = io.BytesIO()
    image = Image.fromarray(levels.transpose(1, 2, 0).astype(np.uint8))
    image.save(file, kind, **options)
    return file.getvalue()


def size(source: Any, least: tuple[int, int]) -> tuple[int, int]:
    """(height, width) as decoded when `least` is needed."""
    pixels = decode(source, lambda height, width: least)
    return pixels.height, pixels.width


@pytest.mark.parametrize(
    ("stored", "least", "expected"),
    [
        ((800, 640), (80, 100), (80, 100)),
        ((800, 640), (81, 100), (160, 200)),
        ((800, 640), (80, 101), (160, 200)),
        ((800, 640), (160, 201), (320, 400)),
        ((800, 640), (320, 401), (640, 800)),
        ((799, 639), (1, 1), (80, 100)),
        ((30, 20), (224, 224), (20, 30)),
    ],
)
def test_never_below_what_is_needed(
    stored: tuple[int, int], least: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert size(jpeg(*stored), least) == expected


def test_every_kind_of_file(tmp_path: Path) -> None:
    data = jpeg(800, 640)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        assert size(source, (160, 160)) == (160, 200)
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(jpeg(160, 80))
    try:
        assert size(f"/dev/fd/{reading}", (40, 40)) == (40, 80)
    finally:
        os.close(reading)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_other_formats_are_decoded_whole(kind: str) -> None:
    assert size(jpeg(160, 80, kind), (1, 1)) == (80, 160)


def test_images_and_arrays_are_unchanged() -> None:
    data = jpeg(160, 80)
    with Image.open(io.BytesIO(data)) as image:
        assert size(image, (1, 1)) == (80, 160)
        assert image.size == (160, 80)
        assert size(np.asarray(image), (1, 1)) == (80, 160)


@pytest.mark.parametrize("orientation", range(10))
def test_orientation(orientation: int) -> None:
    """`needed` gets the upright size, and the decoded photo is upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg(800, 400, exif=exif)
    turned = 5 <= orientation <= 8
    seen = []

    def needed(height: int, width: int) -> tuple[int, int]:
        seen.append((height, width))
        return (200, 90) if turned else (90, 200)

    pixels = decode(data, needed)
    assert seen == [(800, 400) if turned else (400, 800)]
    assert (pixels.height, pixels.width) == ((200, 100) if turned else (100, 200))
    model = sqznet.load()
    assert np.abs(model.preprocess(data) - model.preprocess(data, fast_decode=True)).max() < 12


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_modes(mode: str) -> None:
    file = io.BytesIO()
    Image.open(io.BytesIO(jpeg(800, 640))).convert(mode).save(file, "JPEG")
    assert size(file.getvalue(), (160, 160)) == (160, 200)


def test_truncated_files_give_no_partial_image() -> None:
    with pytest.raises(sqznet.ImageError, match="truncated"):
        decode(jpeg(800, 640)[:-500], lambda height, width: (80, 80))


@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_the_input_has_the_same_shape_and_differs_little(fit: str) -> None:
    pre = Preprocessing(fit=fit, mean=(0, 0, 0), std=(1, 1, 1))
    model = sqznet.load(preprocessing=pre)
    random = np.random.default_rng(1)
    for width, height in [(1200, 900), *random.integers(200, 2500, (3, 2)).tolist()]:
        data = jpeg(width, height)
        exact, fast = model.preprocess(data), model.preprocess(data, fast_decode=True)
        assert fast.shape == exact.shape
        assert np.abs(fast - exact).mean() < 2
        np.testing.assert_array_equal(exact, model.preprocess(np.asarray(decoded_by_pillow(data))))
        least = geometry(pre, height, width)[:2]
        found = size(data, least)
        assert found[0] >= min(height, least[0])
        assert found[1] >= min(width, least[1])


def decoded_by_pillow(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        copy: Image.Image = image.copy()
    return copy


def test_classify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.jpg"
    with Image.open(COFFEE) as photo:
        photo.resize((1600, 1200)).save(path, quality=95)
    exact = sqznet.classify(path)
    fast = sqznet.classify(path, fast_decode=True)
    assert fast[0].label == exact[0].label == "espresso"
    assert fast != exact
    assert sqznet.load().classify([path, path], top=2, fast_decode=True) == [fast[:2]] * 2
    assert main(["classify", "--fast-decode", "--top", "1", str(path)]) == 0
    assert f"{100 * fast[0].score:.2f} %" in capsys.readouterr().out
