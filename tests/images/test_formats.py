"""Files that Pillow alone does not read: read by its plug-ins, or named with what to do."""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sqznet.errors import ImageError
from sqznet.images.decoding import decode

HEIC = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(40)
HEIF = b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic" + bytes(40)
AVIF = b"\0\0\0\x1cftypmif1\0\0\0\0mif1avis" + bytes(40)
BARE_JXL, BOXED_JXL = b"\xff\x0a" + bytes(40), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40)
JPEG_LS = b"\xff\xd8\xff\xf7" + bytes(40)


@pytest.fixture(autouse=True)
def formats() -> Iterator[None]:
    """Leaves Pillow's list of formats as it was."""
    Image.init()
    before = list(Image.ID), dict(Image.OPEN)
    yield
    Image.ID[:], added = before[0], set(Image.OPEN) - set(before[1])
    for name in added:
        del Image.OPEN[name]


@pytest.mark.parametrize(
    ("data", "module", "package"),
    [
        (HEIC, "pillow_heif", "pillow-heif"),
        (HEIF, "pillow_heif", "pillow-heif"),
        (BARE_JXL, "pillow_jxl", "pillow-jxl-plugin"),
        (BOXED_JXL, "pillow_jxl", "pillow-jxl-plugin"),
        (JPEG_LS, "pillow_jpls", "pillow-jpls"),
    ],
)
def test_without_the_plug_in_its_package_is_named(
    data: bytes, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImageError, match=f"which Pillow reads with a plug-in: pip install {package}"
    ):
        decode(data)


def test_an_avif_without_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_avif", None)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "AVIF"])
    with pytest.raises(ImageError, match=r"an AVIF image.*pip install pillow-avif-plugin"):
        decode(AVIF)


class Plain(Image.Image):
    """What the plug-in of a test reads: always the same image."""

    @staticmethod
    def opened(_file: object, _name: str = "") -> Image.Image:
        return Image.new("RGB", (3, 2), (7, 8, 9))


def test_a_plug_in_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pillow_heif")
    module.register_heif_opener = (
        lambda: Image.register_open(  # type: ignore[attr-defined]
            "HEIF", Plain.opened, lambda start: start[4:12] == b"ftypheic"
        )
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    pixels = decode(HEIC)
    assert bytes(np.asarray(memoryview(pixels.data)).ravel()[:3]) == bytes([7, 8, 9])
    with pytest.raises(ImageError, match="a HEIC or HEIF image that pillow-heif does not read"):
        decode(HEIF)


def test_a_plug_in_that_the_caller_registered_is_used() -> None:
    Image.register_open("OWN", Plain.opened, lambda start: start.startswith(b"own format"))
    assert (decode(b"own format" + bytes(9)).width, decode(b"own format").height) == (3, 2)


def test_the_reported_photos(shared: Path) -> None:
    folder = shared / "cases" / "22-heic"
    if not folder.is_dir():
        pytest.skip("these files are absent")
    pytest.importorskip("pillow_heif", reason="needs pillow-heif")
    for path in folder.iterdir():
        assert (decode(path).height, decode(path).width) == (100, 150)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp41", "MP4 or QuickTime"),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "MP4 or QuickTime"),
        (b"\0\0\0\x08wide\0\0\1\0mdat", "QuickTime"),
        (b"\x1a\x45\xdf\xa3\x01" + bytes(20), "Matroska or WebM"),
        (b"RIFF\x10\0\0\0AVI LIST", "AVI"),
        (b"FLV\x01\x05" + bytes(20), "Flash"),
        (b"OggS" + bytes(20), "Ogg"),
        (b"0&\xb2u\x8ef\xcf\x11" + bytes(20), "Windows Media"),
        (b"\0\0\x01\xba" + bytes(20), "MPEG"),
        (b"\0\0\x01\xb3\x14\0\xf0" + bytes(20), "MPEG"),
        (b"\0\0\0\x01\x67\x42" + bytes(20), "H.264 or H.265"),
        (b"\0\0\0\x01\x40\x01" + bytes(20), "H.264 or H.265"),
        (b"G" + bytes(187) + b"G" + bytes(187) + b"G" + bytes(9), "MPEG transport stream"),
        (bytes(4) + b"G" + bytes(191) + b"G" + bytes(191) + b"G", "MPEG transport stream"),
        (b"YUV4MPEG2 W10 H10\n", "raw frames"),
    ],
)
def test_a_video_says_how_to_watch_it(data: bytes, what: str) -> None:
    with pytest.raises(ImageError, match=rf"{what}.* video|video .*{what}|{what}.*watch") as caught:
        decode(data)
    assert "`sqznet watch`" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n", "a PDF document"),
        (b"<?xml version='1.0'?>\n<svg xmlns='...'>", "an SVG drawing"),
        (b"\xef\xbb\xbf <!DOCTYPE HTML>\n<html>", "a web page .*download that failed"),
        (b"v/1\x01\x02\0\0\0", "OpenEXR .*floating-point"),
        (b"PF\n4 4\n-1.0\n", "PFM .*floating-point"),
        (b"#?RADIANCE\n", "Radiance .*floating-point"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a camera's raw photo"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw photo"),
        (b"IIRO\x08\0\0\0", "a camera's raw photo"),
        (b"IIU\0\x18\0\0\0", "a camera's raw photo"),
        (bytes(128) + b"DICM" + bytes(9), "a DICOM file"),
        (b"\x93NUMPY\x01\0v\0{", "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "a file of data"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer.*git lfs pull"),
        (b"PK\x03\x04" + bytes(30), "a zip archive"),
        (b"iVBORw0KGgoAAAANSUhEUgAA", r"base64 text.*b64decode"),
        (b"data:image/png;base64,iVBORw0KGgo", r"base64 text.*b64decode"),
    ],
)
def test_other_files_are_named(data: bytes, what: str) -> None:
    with pytest.raises(ImageError, match=what):
        decode(io.BytesIO(data))
