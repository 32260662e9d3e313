"""Photos of clients: how many pixels they have is known before they are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqznet.engine.pipeline import Pipeline
from sqznet.errors import ImageError, SqznetError
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


def each(answer: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """What ``answer`` gives for each item, or its error.

    One after the other: a network that runs on one thread takes as long for several photos
    together, and a decoded photo may be large.
    """
    found: list[Any] = []
    for item in items:
        try:
            found.append(answer(item))
        except SqznetError as error:
            found.append(error)
    return found
