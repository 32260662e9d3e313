"""PNG files whose metadata is damaged or too large for Pillow: the pixels are sound."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sqznet.errors import ImageError
from sqznet.images import decoding
from sqznet.images.decoding import decode
from sqznet.images.png import without_metadata

PICTURE = np.random.default_rng(1).integers(0, 256, (12, 17, 3)).astype(np.uint8)


def plain(**options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


PLAIN = plain()
AFTER_HEADER, BEFORE_END = 33, len(PLAIN) - 12
LARGE = zlib.compress(bytes(3_000_000))

METADATA = {
    "compressed text": chunk(b"zTXt", b"workflow\0\0" + LARGE),
    "international text": chunk(b"iTXt", b"prompt\0\1\0\0\0" + LARGE),
    "color profile": chunk(b"iCCP", b"profile\0\0" + LARGE),
    "text of another method": chunk(b"zTXt", b"workflow\0\7" + LARGE),
    "text, wrong CRC": chunk(b"tEXt", b"Title\0a photo", 1),
    "time, wrong CRC": chunk(b"tIME", bytes(7), 1),
    "EXIF, wrong CRC": chunk(b"eXIf", b"MM\0*\0\0\0\x08" + bytes(6), 1),
    "short gamma": chunk(b"gAMA", b"\1"),
    "short chromaticity": chunk(b"cHRM", b"\1"),
    "short transparency": chunk(b"tRNS", b"\1"),
    "short animation": chunk(b"acTL", b"\1"),
    "short frame": chunk(b"fcTL", b"\1"),
    "frames out of order": chunk(b"acTL", b"\0\0\0\2\0\0\0\0") + chunk(b"fcTL", bytes([9] * 26)),
}


@pytest.mark.parametrize("place", [AFTER_HEADER, BEFORE_END])
@pytest.mark.parametrize("name", METADATA)
def test_metadata_never_costs_the_pixels(name: str, place: int) -> None:
    data = PLAIN[:place] + METADATA[name] + PLAIN[place:]
    np.testing.assert_array_equal(np.asarray(decoded(data)), PICTURE)


def decoded(data: bytes) -> Image.Image:
    pixels = decode(data)
    shape = (pixels.height, pixels.width, pixels.channels)
    return Image.fromarray(np.asarray(memoryview(pixels.data)).reshape(shape)[:, :, :3].copy())


def test_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.PngImagePlugin.MAX_TEXT_MEMORY", 1000)
    text = b"".join(chunk(b"tEXt", b"key%d\0" % i + bytes(200)) for i in range(10))
    data = PLAIN[:AFTER_HEADER] + text + PLAIN[AFTER_HEADER:]
    np.testing.assert_array_equal(np.asarray(decoded(data)), PICTURE)


def test_a_file_that_ends_in_text_after_its_pixels() -> None:
    data = PLAIN[:BEFORE_END] + chunk(b"tEXt", b"Title\0" + bytes(90))[:40]
    np.testing.assert_array_equal(np.asarray(decoded(data)), PICTURE)


def test_the_orientation_is_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = plain(exif=exif)
    damaged = data[:AFTER_HEADER] + METADATA["compressed text"] + data[AFTER_HEADER:]
    assert decode(damaged).height == decode(data).height == 17


def test_large_files_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_AT_ONCE", 100)
    path = tmp_path / "a.png"
    path.write_bytes(PLAIN[:AFTER_HEADER] + METADATA["compressed text"] + PLAIN[AFTER_HEADER:])
    assert decode(path).width == 17


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT"])
def test_damaged_pixels_are_still_refused(kind: bytes) -> None:
    at = PLAIN.index(kind)
    damaged = PLAIN[: at + 5] + bytes([PLAIN[at + 5] ^ 64]) + PLAIN[at + 6 :]
    for data in (
        damaged,
        damaged[:AFTER_HEADER] + METADATA["short gamma"] + damaged[AFTER_HEADER:],
    ):
        with pytest.raises(ImageError, match=r"cannot be decoded|expected at most|bomb"):
            decode(data)


def test_only_what_is_not_needed_is_removed() -> None:
    assert without_metadata(PLAIN) is None
    text = chunk(b"tEXt", b"Title\0a photo")
    assert without_metadata(PLAIN[:AFTER_HEADER] + text + PLAIN[AFTER_HEADER:]) == PLAIN
    for length in range(8, len(PLAIN)):  # wherever a file ends
        kept = without_metadata(PLAIN[:length])
        assert kept is None or PLAIN.startswith(kept)


def test_the_reported_files(shared: Path) -> None:
    folder = shared / "cases" / "23-png-large-metadata"
    if not folder.is_dir():
        pytest.skip("these files are absent")
    same = shared / "cases" / "24-tiff-planar-16bit" / "same_picture.png"
    for path in folder.iterdir():
        np.testing.assert_array_equal(
            np.asarray(decoded(path.read_bytes())), np.asarray(decoded(same.read_bytes()))
        )
