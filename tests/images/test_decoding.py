"""What is accepted as an image, and what is refused."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms, ImageOps

from sqznet.errors import ImageError
from sqznet.images.decoding import decode, describe, size
from sqznet.images.pixels import MAX_PIXELS, Pixels

Array = npt.NDArray[Any]


def array_of(pixels: Pixels) -> Array:
    """height x width x 3, for any layout."""
    shape = (pixels.height, pixels.width, pixels.channels)
    array = np.asarray(memoryview(pixels.data)).reshape(shape)
    return np.repeat(array, 3, 2) if pixels.channels == 1 else array[:, :, :3]


def photo(mode: str = "RGB", width: int = 37, height: int = 23) -> Image.Image:
    """Smooth, so that lossy formats change little, and different in every corner."""
    y, x = np.mgrid[:height, :width]
    levels = np.stack([x * 5, y * 9, 255 - x * 3 - y], 2).clip(0, 255).astype(np.uint8)
    return Image.fromarray(levels).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def assert_like(pixels: Pixels, image: Image.Image) -> None:
    np.testing.assert_array_equal(array_of(pixels), np.asarray(image.convert("RGB")))


# --- What is decoded --------------------------------------------------------------------------


def test_every_kind_of_source(tmp_path: Path) -> None:
    image = photo()
    data = encoded(image)
    path = tmp_path / "photo with ünicode.png"
    path.write_bytes(data)
    sources: list[Any] = [
        str(path), path, data, bytearray(data), memoryview(data), io.BytesIO(data), image,
        np.asarray(image), np.asarray(image.convert("RGBA")), np.asarray(image).data,
        np.ascontiguousarray(np.asarray(image)[::-1])[::-1],
    ]  # fmt: skip
    for source in sources:
        assert_like(decode(source), image)


def test_a_file_object_is_read_from_its_position_and_left_open(tmp_path: Path) -> None:
    path = tmp_path / "two"
    path.write_bytes(b"preface" + encoded(photo()))
    with path.open("rb") as file:
        file.seek(7)
        assert_like(decode(file), photo())
        assert not file.closed


def test_a_pipe_can_be_a_path() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(encoded(photo()))
    try:
        assert_like(decode(f"/dev/fd/{reading}"), photo())
    finally:
        os.close(reading)


def test_an_object_with_array_conversion() -> None:
    class Tensor:
        def __array__(self, dtype: object = None, copy: object = None) -> Array:
            return np.asarray(photo())

    assert_like(decode(Tensor()), photo())  # type: ignore[arg-type]


def test_gray_arrays() -> None:
    gray = np.asarray(photo("L"))
    assert_like(decode(gray), photo("L"))
    assert_like(decode(gray[:, :, None]), photo("L"))


def test_neither_numpy_nor_other_plugins_are_imported(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    photo().save(path)
    code = (
        "import sys; from sqznet.images.decoding import decode; assert 'PIL' not in sys.modules;"
        f"decode({str(path)!r});"
        "bad = {'numpy', 'PIL.PngImagePlugin'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True)


# --- Formats and modes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"),
        ("PNG", "RGBA"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "1"),
        ("GIF", "P"), ("BMP", "RGB"), ("PPM", "RGB"), ("PPM", "L"), ("TIFF", "RGB"),
        ("TIFF", "CMYK"), ("WEBP", "RGB"), ("TGA", "RGBA"),
        ("ICO", "RGBA"),
    ],
)  # fmt: skip
def test_formats_read_as_pillow_reads_them(kind: str, mode: str) -> None:
    data = encoded(photo(mode, 32, 32), kind)
    with Image.open(io.BytesIO(data)) as expected:
        assert_like(decode(data), expected)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK", "YCbCr", "HSV"]
)
def test_modes_of_pil_images(mode: str) -> None:
    image = photo(mode)
    assert_like(decode(image), image)
    assert image.mode == mode


def test_premultiplied_and_lab() -> None:
    premultiplied = photo("RGBA").convert("RGBa")
    np.testing.assert_array_equal(array_of(decode(premultiplied)), np.asarray(photo()))
    assert_like(decode(photo("LA").convert("La")), photo("L"))
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(photo(), to_lab)
    assert lab is not None
    try:
        expected = lab.convert("RGB")
    except ValueError:  # Pillow without this conversion
        with pytest.raises(ImageError, match="LAB"):
            decode(lab)
    else:
        assert_like(decode(lab), expected)


def test_transparency_is_dropped_not_blended() -> None:
    image = photo("RGBA")
    image.putalpha(0)
    assert_like(decode(encoded(image)), photo())
    palette = photo("P")
    for transparency in (3, bytes(range(256))):
        data = encoded(palette, transparency=transparency)
        assert_like(decode(data), palette)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I"])
def test_sixteen_bit_gray_keeps_its_upper_byte(mode: str) -> None:
    levels = (np.arange(37 * 23).reshape(23, 37) * 77).astype(np.uint16)
    kind = {"I;16B": ">u2", "I": "i4"}.get(mode, "<u2")
    image = Image.frombytes(mode, (37, 23), levels.astype(kind).tobytes())
    pixels = decode(image)
    np.testing.assert_array_equal(array_of(pixels)[:, :, 0], levels >> 8)


def test_sixteen_bit_png() -> None:
    levels = np.linspace(0, 65535, 37 * 23).reshape(23, 37).astype(np.uint16)
    data = encoded(Image.fromarray(levels))
    np.testing.assert_array_equal(array_of(decode(data))[:, :, 0], levels >> 8)


@pytest.mark.parametrize(("mode", "level"), [("I", -1), ("I", 65536), ("F", 0.5)])
def test_levels_of_unknown_range_are_refused(mode: str, level: float) -> None:
    with pytest.raises(ImageError, match=f"mode {mode}.*expected"):
        decode(Image.new(mode, (4, 4), level))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_allclose(array_of(decode(data)), np.asarray(frames[0]), atol=2)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(), kind, exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        stored.load()  # rotates a TIFF
        expected = stored if kind == "TIFF" else ImageOps.exif_transpose(stored)
    pixels = decode(data)
    turned = 5 <= orientation <= 8
    assert (pixels.width, pixels.height) == ((23, 37) if turned else (37, 23))
    assert_like(pixels, expected)
    if kind == "JPEG":
        with Image.open(io.BytesIO(data)) as given:
            assert_like(decode(given), expected)


def test_damaged_exif_is_ignored() -> None:
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(40)):
        assert_like(decode(encoded(photo(), "PNG", exif=exif)), photo())


def test_large_images_that_pillow_keeps_in_several_blocks() -> None:
    image = photo().resize((2300, 2100))
    pixels = decode(image)
    assert (pixels.height, pixels.width) == (2100, 2300)
    assert_like(pixels, image)


def test_the_pixels_outlive_their_image() -> None:
    for mode in ("RGB", "L"):
        pixels = decode(encoded(photo(mode)))
        junk = [photo(mode) for _ in range(20)]
        assert_like(pixels, photo(mode))
        del junk


# --- Not an image -----------------------------------------------------------------------------


def refusal(source: Any) -> str:
    with pytest.raises(ImageError) as caught:
        decode(source)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    assert message.startswith(describe(source))
    return message


def test_files_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such file" in refusal(tmp_path / "absent.jpg")
    assert "a directory" in refusal(tmp_path)
    assert "null" in refusal("nul\0.jpg")
    assert "name too long" in refusal("x" * 300).lower()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # root can read anything
    assert "permission denied" in refusal("secret.jpg")


def test_files_without_an_image(tmp_path: Path) -> None:
    for name, data, reason in [
        ("empty.jpg", b"", "an empty file"),
        ("text.jpg", b"this is no picture at all", "it begins with 'this is '"),
        (
            "svg.png",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "an SVG drawing, expected pixels",
        ),
        ("drawing.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "vector format"),
        ("head.jpg", b"\xff\xd8\xff", "cannot be decoded"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "cannot be decoded"),
    ]:
        path = tmp_path / name
        path.write_bytes(data)
        for source in (path, data, io.BytesIO(data)):
            assert reason in refusal(source)
    assert str(tmp_path / "text.jpg") in refusal(tmp_path / "text.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_truncated_files_give_no_partial_image(kind: str) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 31, 3), np.uint8))
    data = encoded(image, kind)
    for length in sorted({*range(40), *range(40, len(data) - 64, 61), len(data) - 64}):
        refusal(data[:length])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA"])
def test_damaged_files_raise_nothing_else(kind: str) -> None:
    data = encoded(photo(), kind)
    random = np.random.default_rng(7)
    refused = 0
    for _ in range(60):
        damaged = bytearray(data)
        for at in random.integers(0, min(len(data), 300), 4):
            damaged[at] = random.integers(0, 256)
        try:
            pixels = decode(damaged)
        except ImageError:
            refused += 1
        else:
            assert array_of(pixels).shape == (pixels.height, pixels.width, 3)
    assert refused > 0


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(100))
    chunks = [header, body, b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks
    )


@pytest.mark.parametrize(
    ("width", "height"), [(50_000, 50_000), (70_000, 1), (1, 70_000), (2**31 - 1, 2**31 - 1)]
)
def test_decompression_bombs_are_refused_by_their_header(width: int, height: int) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    assert f"{width} x {height} pixels, expected at most" in refusal(png_header(width, height))
    assert limit == Image.MAX_IMAGE_PIXELS


def test_pixels_that_the_file_size_does_not_justify() -> None:
    assert MAX_PIXELS > 13_000 * 13_000
    assert "bomb" in refusal(png_header(13_000, 13_000))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 4, 3), np.float32), "found float32 .* scale to 0..255"),
        (np.zeros((4, 4), np.uint16), "found uint16 .*>> 8"),
        (np.zeros((4, 4), bool), r"found bool .*\* 255"),
        (np.zeros((4, 4, 3), np.int64), "found int64 elements, expected a uint8"),
        (np.zeros((4, 4, 3), object), "found object"),
        (np.zeros((3, 5, 5), np.uint8), r"found the shape \(3, 5, 5\).*channels come last"),
        (np.zeros((4, 4, 2), np.uint8), r"found the shape \(4, 4, 2\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"found the shape \(1, 4, 4, 3\)"),
        (np.zeros(16, np.uint8), r"found the shape \(16,\)"),
        (np.zeros((), np.uint8), r"found the shape \(\)"),
        (np.zeros((0, 4, 3), np.uint8), "4 x 0 pixels"),
        (np.zeros((4, 0), np.uint8), "0 x 4 pixels"),
        (np.zeros((4, 4, 0), np.uint8), "found the shape"),
        (np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (20_000, 20_000), (0, 0)),
         "expected at most"),
        (np.zeros((1, 70_000), np.uint8), "expected at most"),
        (np.zeros(3, "datetime64[s]"), "not an image"),
    ],
)  # fmt: skip
def test_other_arrays_are_refused(array: Array, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode(array)


@pytest.mark.parametrize("source", [None, 7, 1.5, object(), {"a": 1}, [[1, 2], [3, 4]]])
def test_other_objects_are_refused(source: Any) -> None:
    assert "not an image, expected a path" in refusal(source)


def test_file_objects_that_misbehave() -> None:
    class Broken:
        def read(self, _: int) -> Any:
            raise RuntimeError("the network\nis down")

    assert "the network is down" in refusal(Broken())
    assert "opened for text" in refusal(io.StringIO("text"))
    (closed := io.BytesIO(encoded(photo()))).close()
    assert "closed" in refusal(closed)
    assert "an empty file" in refusal(io.BytesIO())


def test_pil_images_that_cannot_be_read() -> None:
    data = encoded(photo(width=200, height=200), "JPEG")
    with Image.open(io.BytesIO(data[:-200])) as truncated:
        assert "truncated" in refusal(truncated)
    assert "0 x 3 pixels" in refusal(Image.new("RGB", (0, 3)))


def test_names_fit_on_one_line() -> None:
    assert describe("a\nb\x1b[31m.jpg") == r"a\nb\x1b[31m.jpg"
    sources = (Path("/tmp/x.jpg"), b"12345", np.zeros((2, 3)), 3)
    assert [*map(describe, sources)] == ["/tmp/x.jpg", "<5 bytes>", "<numpy.ndarray>", "<int>"]


def test_the_size_is_read_without_decoding() -> None:
    file = io.BytesIO()
    Image.new("L", (30, 20)).save(file, "PNG")
    cut = file.getvalue()[:45]  # the header and a part of the pixels
    assert size(file.getvalue()) == size(cut) == (30, 20)
    for data in (b"", b"no photo"):
        with pytest.raises(ImageError, match=r"<\d bytes>: "):
            size(data)
