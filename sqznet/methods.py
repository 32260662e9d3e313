"""What every classifier can do besides ``classify``: many photos, asyncio, heat maps, boxes.

What a method needs is imported when it is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from sqznet.answers import Classifier, Prediction, Predictions, summed
from sqznet.errors import SqznetError, checked_count
from sqznet.images.callers import reading

if TYPE_CHECKING:
    from sqznet.batch.photos import FileResult
    from sqznet.boxes import Box
    from sqznet.insight.heatmap import Explainable, HeatMap


class Limited(Classifier, Protocol):
    """A classifier that says how many answers it can give."""

    def checked_top(self, top: int) -> int:
        """``top``, but at most the number of possible answers. Raises SqznetError for another
        value than a whole number from 1, and if there are no classes."""
        ...

    @property
    def coarse_labels(self) -> tuple[str, ...]:
        """The coarse name of each class. Raises SqznetError if the classes have none."""
        ...


class ManyPhotos:
    """The base of a `Model` and a `Recognizer`: what they do with many photos, and for asyncio."""

    @property
    def coarse_labels(self) -> tuple[str, ...]:
        """Raises SqznetError: WordNet knows nothing of classes that were taught."""
        raise SqznetError("coarse names are for ImageNet's classes, these are your own")

    def classify_files(
        self: Limited,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        top: int = 5,
        fast_decode: bool = False,
        *,
        coarse: bool = False,
    ) -> Iterator[FileResult]:
        """Yields a result (path, predictions, error) for each of many photos, in order.

        ``paths``: one or several files, folders (searched recursively) and patterns, see
        ``sqznet.images.finding``. ``threads`` photos are processed at a time, a few ahead of the
        caller; memory stays flat for any number of photos. The result for an unreadable photo has
        no predictions and an ImageError; otherwise ``error`` is None. ``top``, ``fast_decode``,
        ``coarse``: as for ``classify`` of a model.
        """
        from sqznet.batch.photos import find_and_classify

        top = self.checked_top(top)
        if not coarse:
            return find_and_classify(self, paths, top, fast_decode)
        names = self.coarse_labels
        results = find_and_classify(self, paths, len(names), fast_decode)
        return (
            found._replace(predictions=Predictions(summed(found.predictions, names, top)))
            for found in results
        )

    async def aclassify(
        self: Limited,
        image: Any,
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
        coarse: bool = False,
    ) -> list[Prediction]:
        """Like ``classify`` for one image, without blocking the event loop.

        The image may also be an object whose ``read`` is asynchronous, such as an uploaded file of
        a web framework. Any number of tasks may share the model: at most ``threads`` of them run at
        a time, the others wait. A task that is canceled while it waits does no work.
        """
        from sqznet.batch.asynchronous import answered

        top, how = self.checked_top(top), reading(fast_decode, channels, allow_urls)
        names = self.coarse_labels if coarse else ()

        def predictions(model: Classifier, image: Any) -> list[Prediction]:
            count = len(names) if coarse else top
            found: list[Prediction] = model.classify([image], count, **vars(how))[0]
            return Predictions(summed(found, names, top)) if coarse else found

        return await answered(self, image, predictions)


class Explaining:
    """The base of a `Model` and a `Recognizer`: heat maps and boxes."""

    def heatmap(
        self: Explainable,
        image: Any,
        label: str | int | None = None,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> HeatMap:
        """Shows where in a photo a class is: a float32 array (H, W) of the upright photo's size.

        1 is the place that adds most to the class; 0 is a place that adds nothing or that was
        cropped away. ``label``: the name or index of a class; default: the most likely one. A
        notebook displays the array as heat over the photo. ``image`` and the options: as for
        ``classify``.
        Raises ImageError, and SqznetError for an unknown label.
        """
        evidence = self.evidence(image, reading(False, channels, allow_urls))
        return evidence.heatmap(evidence.index(label))

    def localize(
        self: Explainable,
        image: Any,
        top: int = 1,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> list[Box]:
        """A box (x0, y0, x1, y1, label, score) for each of the ``top`` most likely classes, best
        first, in pixels of the upright photo.

        A box encloses the largest connected part of the heat map with values of at least 0.15; a
        class without such a part has no box. ``image`` and the options: as for ``classify``. Raises
        ImageError.
        """
        count = checked_count("top", top)
        evidence = self.evidence(image, reading(False, channels, allow_urls))
        found = [evidence.box(index) for index in evidence.ranking[:count]]
        return [box for box in found if box is not None]
