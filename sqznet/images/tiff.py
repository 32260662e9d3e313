"""TIFF files: what Pillow misreads, and what it does not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from sqznet.errors import ImageError
from sqznet.images.pillow import plug_in, reason

if TYPE_CHECKING:
    from PIL.Image import Image

#: The first bytes of TIFF and BigTIFF in both byte orders.
MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# TIFF 6.0; SubIFDs from TIFF/EP, DNGVersion from the DNG specification.
_SUBFILE_TYPE, _WIDTH, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR = 254, 256, 258, 262, 277, 284
_SUB_IFDS, _SAMPLE_FORMAT, _DNG_VERSION = 330, 339, 50706
_IS_REDUCED = 1  # in NewSubfileType
_SEPARATE = 2  # the value of PlanarConfiguration
_BLACK_IS_ZERO = 1
_FLOATING, _SIGNED = 3, 2  # values of SampleFormat
_SENSOR = (32803, 34892)  # PhotometricInterpretation: color filter array, linear raw

_RAW = "a camera's raw photo, expected a developed one: convert it to JPEG or TIFF"


def open_tiff(file: BinaryIO, name: str) -> Image:
    """Opens a TIFF file. Raises ImageError, beginning with ``name``, if Pillow does not read it, or
    only a preview in it."""
    module = plug_in("TiffImagePlugin")
    try:
        image: Any = module.TiffImageFile(file)
    except SyntaxError as error:
        raise ImageError(f"{name}: {_described(module, file, error)}") from None
    tags = image.tag_v2
    if tags.get(_SUBFILE_TYPE, 0) & _IS_REDUCED and (_SUB_IFDS in tags or _DNG_VERSION in tags):
        width, height = image.size
        raise ImageError(f"{name}: a preview of {width} x {height} pixels in {_RAW}")
    opened: Image = image
    return opened


def mend(image: Any, name: str) -> None:
    """Corrects how Pillow will read an opened TIFF file whose planes are separate.

    Pillow takes one letter of the raw mode for each plane, such as "R" of "RGB;16L", which is right
    for 8 bits only. Raises ImageError, beginning with ``name``, for what cannot be corrected.
    """
    tags = image.tag_v2
    if tags.get(_PLANAR, 1) != _SEPARATE or image.tile[0][0] == "libtiff":
        return
    bits = set(tags.get(_BITS, (1,)))
    if tags.get(_SAMPLES, 1) == 1 and (
        bits != {8} or tags.get(_PHOTOMETRIC, _BLACK_IS_ZERO) != _BLACK_IS_ZERO
    ):
        raise ImageError(
            f"{name}: gray TIFF with planes that are said to be separate, expected "
            "PlanarConfiguration 1: save it again"
        )
    if bits == {16}:
        order = ";16L" if tags.prefix == b"II" else ";16B"
        image.tile = [_with_mode(tile, tile[3][0] + order) for tile in image.tile]


def _with_mode(tile: Any, mode: str) -> Any:
    arguments = (mode, *tile[3][1:])
    if hasattr(tile, "_replace"):
        return tile._replace(args=arguments)
    return (*tile[:3], arguments)  # before Pillow 11


def _described(module: Any, file: BinaryIO, error: SyntaxError) -> str:
    """What is in a TIFF file that Pillow does not read."""
    try:
        file.seek(0)
        header = file.read(8)
        if header[2] == 43 or header[3] == 43:  # BigTIFF
            header += file.read(8)
        tags = module.ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
        if _WIDTH not in tags:
            raise error
        bits, kinds = tags.get(_BITS, (1,)), tags.get(_SAMPLE_FORMAT, (1,))
        samples = tags.get(_SAMPLES, 1)
        if tags.get(_PHOTOMETRIC) in _SENSOR or _DNG_VERSION in tags:
            return _RAW
    except Exception:
        return f"damaged TIFF file ({reason(error)})"
    kind = {_FLOATING: "floating-point", _SIGNED: "signed"}.get(max(kinds), "unsigned")
    return (
        f"TIFF file with {samples} x {max(bits)}-bit {kind} samples a pixel and photometric "
        f"interpretation {tags.get(_PHOTOMETRIC)}, which Pillow does not read: scale it to 8 bits "
        "and save it again, or read it with another library and pass the uint8 array"
    )
