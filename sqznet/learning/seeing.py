"""Describes example images on several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from sqznet.batch.photos import in_order
from sqznet.errors import ImageError
from sqznet.images.callers import Reading
from sqznet.learning.features import LENGTH, Floats, describe, mirror_image

if TYPE_CHECKING:
    from sqznet.learning.learner import Views
    from sqznet.model import Model


#: Called with the number of images that were seen, and of all.
Progress = Callable[[int, int], None] | None
#: Called for an image that cannot be read.
Skip = Callable[[ImageError], None] | None


def counted(progress: Progress, total: int) -> Callable[[], None]:
    """A function to call after each of ``total`` images."""
    if progress is None:
        return lambda: None
    numbers, report = count(1), progress
    return lambda: report(next(numbers), total)


def views_of(
    model: Model,
    images: Sequence[Any],
    both: bool,
    skip: Skip,
    how: Reading,
    seen: Callable[[], None],
) -> Views:
    """Descriptions of the readable images and, if ``both``, of their mirror images.

    ``skip`` is called for images that cannot be read; without it they raise ImageError. ``seen`` is
    called after each image.
    """
    threads = 1 if len(images) < 2 else model.threads
    alone = model if threads == 1 else model.alone()
    rows = []
    for found in in_order(partial(_described, alone, both, how), images, threads):
        if not isinstance(found, ImageError):
            rows.append(found)
        elif skip is None:
            raise found
        else:
            skip(found)
        seen()
    views = np.concatenate([np.empty((0, 1 + both, LENGTH), np.float32), *rows])
    return views[:, 0], views[:, 1] if both else None


def _described(model: Model, both: bool, how: Reading, image: Any) -> Floats | ImageError:
    """The description of an image and, if ``both``, of its mirror image: (1, 1 or 2, LENGTH); or
    the reason why the image cannot be read."""
    try:
        pixels = model.decode(image, how)
    except ImageError as error:
        return error
    return describe(model, [pixels, mirror_image(pixels)] if both else [pixels])[None]
