"""Animated GIF, PNG and WebP files. Pillow reads them, as it reads photos: FFmpeg does not know the
animation of WebP."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, BinaryIO

from sqznet.errors import SqznetError, printable, reason_of
from sqznet.images.decoding import decode
from sqznet.images.frame import Frame
from sqznet.images.pillow import guarded, plug_in
from sqznet.watching.shot import Shot, now

if TYPE_CHECKING:
    from PIL.Image import Image

_MAGICS = (b"GIF8", b"\x89PNG\r\n\x1a\n")

# Milliseconds. Browsers show a frame that says it lasts for less than that for a tenth of a second.
_SHORTEST, _USUAL = 11.0, 100.0


def may_be_animated(path: str) -> bool:
    """Whether it is a file of one of these formats."""
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_MAGICS) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


class AnimationSource:
    """The frames of one of these files, a still one too, once each.

    Raises ImageError if it is not an image.
    """

    live = False
    timed = True

    def __init__(self, path: str) -> None:
        self.name = printable(path)
        self._path = path
        self._still = Frame.of(decode(path))

    def shots(self) -> Generator[Shot, None, None]:
        try:
            file = open(self._path, "rb")  # noqa: SIM115
        except OSError as error:
            raise SqznetError(f"{self.name}: {reason_of(error)}") from None
        with file:
            image, frames = guarded(_opened, file, self.name)
            if frames == 1:
                yield Shot(self._still, 0.0, now())
                return
            time = 0.0
            # The first image of such a PNG is shown where animations are not known.
            first = 1 if getattr(image, "default_image", False) else 0
            for index in range(first, frames):
                picture, duration = guarded(_next, image, index, f"{self.name}, frame {index + 1}")
                if picture is None:
                    found = f"ends after {index} of {frames} frames"
                    raise SqznetError(f"{self.name}: {found}, the file was cut short")
                yield Shot(Frame.of(decode(picture)), time, now())
                time += duration / 1000


def _opened(file: BinaryIO, _: str) -> tuple[Image, int]:
    """The image, and the number of its frames, which GIF files are searched for."""
    image = plug_in("Image").open(file)
    return image, int(getattr(image, "n_frames", 1))


def _next(image: Image, index: int, _: str) -> tuple[Image | None, float]:
    """A copy of a frame, which the next one would be drawn over, and its milliseconds."""
    size = image.size
    try:
        image.seek(index)
    except EOFError:
        return None, 0.0
    if image.size != size:  # Pillow enlarges a GIF image for what lies outside, to any size
        raise ValueError(f"{image.width} x {image.height} pixels, not {size[0]} x {size[1]}")
    image.load()
    duration = float(image.info.get("duration") or 0)
    return image.copy(), duration if duration >= _SHORTEST else _USUAL
