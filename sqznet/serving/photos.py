"""Photos of clients: how many pixels they have is known before they are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqznet.engine.pipeline import Pipeline
from sqznet.errors import ImageError
from sqznet.images import decoding
from sqznet.images.callers import Reading
from sqznet.images.pixels import Pixels


class TooLargeError(ImageError):
    """A photo has more pixels than the server takes."""


def decoded(network: Pipeline, photo: bytes, most: int, fast: bool = False) -> Pixels:
    """The pixels of a file. ``fast``: as ``fast_decode`` of `Model.classify`.

    Raises ImageError, and TooLargeError for a photo of more than ``most`` pixels.
    """
    width, height = decoding.size(photo)
    if width * height > most:
        raise TooLargeError(
            f"a photo of {width} x {height} pixels, this server takes at most {most}"
        )
    return network.decode(photo, Reading(fast))


def each(
    decode: Callable[[Any], Pixels],
    items: Iterable[Any],
    answer: Callable[[list[Pixels]], Iterable[Any]],
) -> list[Any]:
    """What ``answer`` gives for all items that can be decoded, and the errors of the others, in
    order."""
    found: list[Pixels | ImageError] = []
    for item in items:
        try:
            found.append(decode(item))
        except ImageError as error:
            found.append(error)
    answers = iter(answer([pixels for pixels in found if isinstance(pixels, Pixels)]))
    return [next(answers) if isinstance(pixels, Pixels) else pixels for pixels in found]
