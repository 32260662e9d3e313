"""The methods of every classifier for many photos and for asyncio."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from sqznet.answers import Classifier, Prediction
from sqznet.images.callers import reading

if TYPE_CHECKING:
    from sqznet.batch.photos import FileResult


class Limited(Classifier, Protocol):
    """A classifier that says how many answers it can give."""

    def checked_top(self, top: int) -> int:
        """``top``, but at most the number of possible answers. Raises SqznetError for another
        value than a whole number from 1, and if there are no classes."""
        ...


class ManyPhotos:
    """The base of a `Model` and a `Recognizer`: what they do with many photos, and for asyncio."""

    def classify_files(
        self: Limited,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        top: int = 5,
        fast_decode: bool = False,
    ) -> Iterator[FileResult]:
        """Yields a result (path, predictions, error) for each of many photos, in order.

        ``paths``: one or several files, folders (searched recursively) and patterns, see
        ``sqznet.images.finding``. ``threads`` photos are processed at a time, a few ahead of the
        caller; memory stays flat for any number of photos. The result for an unreadable photo has
        no predictions and an ImageError; otherwise ``error`` is None. ``top``, ``fast_decode``: as
        for ``classify``.
        """
        from sqznet.batch.photos import find_and_classify

        return find_and_classify(self, paths, self.checked_top(top), fast_decode)

    async def aclassify(
        self: Limited,
        image: Any,
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> list[Prediction]:
        """Like ``classify`` for one image, without blocking the event loop.

        The image may also be an object whose ``read`` is asynchronous, such as an uploaded file of
        a web framework. Any number of tasks may share the model: at most ``threads`` of them run at
        a time, the others wait. A task that is canceled while it waits does no work.
        """
        from sqznet.batch.asynchronous import answered

        top, how = self.checked_top(top), reading(fast_decode, channels, allow_urls)

        def predictions(model: Classifier, image: Any) -> list[Prediction]:
            found: list[Prediction] = model.classify([image], top, **how._asdict())[0]
            return found

        return await answered(self, image, predictions)
