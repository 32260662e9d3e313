"""Files that Pillow alone does not read: those of its plug-ins, and what the others are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from sqznet.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

_START = 1024
_VIDEO = ", expected an image: `sqznet watch` (in Python sqznet.watch) classifies its frames"
_RAW = "a camera's raw photo, expected a developed one: convert it to JPEG or TIFF"
_DRAWING = ", expected pixels: export it as PNG"
_FLOATS = ", expected 8-bit pixels: tone-map it to PNG or JPEG"
_BASE64 = "base64 text, expected the bytes of an image file: call base64.b64decode first"


class PlugIn(NamedTuple):
    """A plug-in of Pillow: the format that it reads, a function that registers it with Pillow or
    raises ImportError, and the package to install."""

    what: str
    register: Callable[[], None]
    package: str


def _register_heif() -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()


def _register_avif() -> None:  # for a Pillow that does not read AVIF itself
    import pillow_avif  # noqa: F401  # it registers itself


def _register_jpeg_xl() -> None:
    import pillow_jxl  # noqa: F401


def _register_jpeg_ls() -> None:
    import pillow_jpls  # noqa: F401


_HEIF = PlugIn("a HEIC or HEIF image", _register_heif, "pillow-heif")
_AVIF = PlugIn("an AVIF image", _register_avif, "pillow-avif-plugin")
_JPEG_XL = PlugIn("a JPEG XL image", _register_jpeg_xl, "pillow-jxl-plugin")
_JPEG_LS = PlugIn("a JPEG-LS image", _register_jpeg_ls, "pillow-jpls")

_PLUG_INS = (
    (b"\xff\x0a", _JPEG_XL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _JPEG_XL),
    (b"\xff\xd8\xff\xf7", _JPEG_LS),
)

# Brands of ISO base media files (ISO/IEC 23008-12, annex B; AV1 Image File Format, 6).
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_AVIF_BRANDS = frozenset((b"avif", b"avis"))

# What Pillow reads itself, as far as no list of paths begins like it.
_IMAGES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    *(b"8BPS\0\x01", b"\0\0\x01\0", b"\0\0\0\x0cjP  \r\n", b"\xff\x4f\xff\x51"),
)
_PNM = rb"P[1-7]\s+(#[^\n]*\n\s*)*(\d+\s+\d+\s|WIDTH )"

# By the first bytes.
_OTHERS = (
    (b"\x1a\x45\xdf\xa3", f"a Matroska or WebM video{_VIDEO}"),
    (b"FLV\x01", f"a Flash video{_VIDEO}"),
    (b"OggS", f"an Ogg video or sound{_VIDEO}"),
    (b"0&\xb2u\x8ef\xcf\x11", f"a Windows Media video{_VIDEO}"),
    (b"\0\0\x01\xba", f"an MPEG video{_VIDEO}"),
    (b"\0\0\x01\xb3", f"an MPEG video{_VIDEO}"),
    *((start + unit, f"an H.264 or H.265 video without a container{_VIDEO}")
      for start in (b"\0\0\x01", b"\0\0\0\x01") for unit in (b"g", b"'", b"\x09", b"@\x01")),
    (b"YUV4MPEG2", f"a video of raw frames{_VIDEO}"),
    (b"DKIF", f"an IVF video{_VIDEO}"),
    (b".RMF", f"a RealMedia video{_VIDEO}"),
    (b"\x8aMNG\r\n\x1a\n", "an MNG animation, expected a single image"),
    (b"%PDF", f"a PDF document{_DRAWING}"),
    (b"<svg", f"an SVG drawing{_DRAWING}"),
    (b"gimp xcf", f"a project of GIMP{_DRAWING}"),
    (b"AT&TFORM", f"a DjVu document{_DRAWING}"),
    (b"FUJIFILMCCD-RAW", _RAW),
    *((magic, _RAW) for magic in (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")),
    (b"II\x1a\0\0\0HEAPCCDR", _RAW),
    (b"v/1\x01", f"an OpenEXR image of floating-point pixels{_FLOATS}"),
    (b"#?RADIANCE", f"a Radiance image of floating-point pixels{_FLOATS}"),
    (b"#?RGBE", f"a Radiance image of floating-point pixels{_FLOATS}"),
    (b"PF\n", f"a PFM image of floating-point pixels{_FLOATS}"),
    (b"II\xbc\x01", "a JPEG XR image, which Pillow does not read: convert it to JPEG or PNG"),
    (b"BPG\xfb", "a BPG image, which Pillow does not read: convert it to JPEG or PNG"),
    (b"FLIF", "a FLIF image, which Pillow does not read: convert it to JPEG or PNG"),
    (b"qoif", "a QOI image, which Pillow reads since 9.5: pip install --upgrade pillow"),
    *((magic, "a file of data, expected an image") for magic in (b"BUFR", b"GRIB", b"\x89HDF")),
    (b"\x93NUMPY", "a NumPy array, expected an image: pass numpy.load(...) of it"),
    (b"version https://git-lfs", "a Git LFS pointer, not the image it stands for: git lfs pull"),
    (b"PK\x03\x04", "a zip archive or a document, expected an image: unpack it first"),
    (b"\x1f\x8b", "a gzip archive, expected an image: unpack it first"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive, expected an image: unpack it first"),
    (b"Rar!", "a RAR archive, expected an image: unpack it first"),
    *((text, _BASE64) for text in (b"/9j/", b"iVBORw0KGgo", b"R0lGOD", b"UklGR", b"data:image/")),
)  # fmt: skip
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def open_otherwise(file: BinaryIO, name: str) -> Image:
    """Opens a file that Pillow did not identify with the plug-in for its format.

    Raises ImageError, beginning with ``name``: what the file is, and what to do.
    """
    file.seek(0)
    start = file.read(_START)
    found = _plug_in_for(start)
    if found is None:
        raise ImageError(f"{name}: {_described(start)}")
    try:
        found.register()
    except ImportError:
        raise ImageError(
            f"{name}: {found.what}, which Pillow reads with a plug-in: pip install {found.package}"
        ) from None
    from PIL import Image, UnidentifiedImageError

    file.seek(0)
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {found.what} that {found.package} does not read") from None


def is_image_file(content: bytes) -> bool:
    """Whether these bytes are an image, or something that is easily taken for one such as a video
    or a PDF file, and not a list of paths."""
    start = content[:_START]
    return (
        start.startswith(_IMAGES)
        or any(start.startswith(magic) for magic, _ in _PLUG_INS)
        or bool(_brands(start))
        or (start.startswith(b"RIFF") and start[8:12] in (b"WEBP", b"AVI "))
        or (start.startswith(b"BM") and start[6:10] == bytes(4))
        or start.startswith((b"%PDF-", b"\x1a\x45\xdf\xa3"))
        or re.match(_PNM, start) is not None
    )


def _plug_in_for(start: bytes) -> PlugIn | None:
    brands = _brands(start)
    if brands & _AVIF_BRANDS:
        return _AVIF
    if brands & _HEIF_BRANDS:
        return _HEIF
    return next((plug_in for magic, plug_in in _PLUG_INS if start.startswith(magic)), None)


def _brands(start: bytes) -> set[bytes]:
    """The brands of an ISO base media file: the major one and those that it is compatible with."""
    if start[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(start[:4], "big"), len(start))
    return {start[8:12], *(start[at : at + 4] for at in range(16, end - 3, 4))}


def _described(start: bytes) -> str:
    if brands := _brands(start):
        return _RAW if b"crx " in brands else f"an MP4 or QuickTime video{_VIDEO}"
    if start[4:8] in _QUICKTIME_BOXES:
        return f"a QuickTime video{_VIDEO}"
    if start.startswith(b"RIFF") and start[8:12] in (b"AVI ", b"AVIX"):
        return f"an AVI video{_VIDEO}"
    # Transport streams: packets of 188 bytes, some preceded by 4 bytes of time.
    if b"GGG" in (start[0:377:188], start[4:389:192]):
        return f"an MPEG transport stream{_VIDEO}"
    if start[128:132] == b"DICM":
        return "a DICOM file, expected an image: pass its pixels as a uint8 array"
    for magic, what in _OTHERS:
        if start.startswith(magic):
            return what
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PAGES):
        is_drawing = b"<svg" in text
        return (
            f"an SVG drawing{_DRAWING}"
            if is_drawing
            else ("a web page or XML, expected an image (a download that failed?)")
        )
    return f"no image format that Pillow reads, it begins with {ascii(start[:8])[1:]}"
