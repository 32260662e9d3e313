"""A loaded SqueezeNet: ``Model``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sqznet.answers import Prediction, checked_top
from sqznet.engine.classification import Classification

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sqznet.batch.photos import FileResult
    from sqznet.insight.heatmap import Box, HeatMap


class Model(Classification):
    """A loaded SqueezeNet, made by ``load``. Any number of threads may use it at once.

    Attributes: ``num_classes``, 0 for weights without a classifier; ``labels``, a name for each
    class; ``activation``, what makes scores of the outputs, "softmax", "sigmoid" or "none";
    ``variant``, such as ``"squeezenet1_1"``; ``wiring``, its padding and pooling;
    ``preprocessing``, how photos become its input; ``threads``; ``isa``, the instruction set of its
    kernels.
    """

    def __repr__(self) -> str:
        return (
            f"<sqznet.Model {self.variant}, {self.num_classes} classes, "
            f"{self.isa}, {self.threads} thread{'s' if self.threads > 1 else ''}>"
        )

    def classify_files(
        self,
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

        return find_and_classify(self, paths, checked_top(top, self.num_classes), fast_decode)

    async def aclassify(
        self, image: Any, top: int = 5, fast_decode: bool = False
    ) -> list[Prediction]:
        """Like ``classify`` for one image, without blocking the event loop.

        Any number of tasks may share the model: at most ``threads`` of them run at a time, the
        others wait. A task that is canceled while it waits does no work.
        """
        from sqznet.batch.asynchronous import classify

        return await classify(self, image, checked_top(top, self.num_classes), fast_decode)

    def embed(
        self, images: Any, normalize: bool = False, fast_decode: bool = False
    ) -> npt.NDArray[np.float32]:
        """A vector for each image, float32 (N, 512): the average of the feature maps of fire9.

        ``images``: one image (N = 1) or a list or tuple of them, as for ``classify``. ``normalize``
        scales the vectors to length 1, so that their dot products are cosine similarities.
        """
        from sqznet.insight.embedding import embed

        return embed(self, images, normalize, fast_decode)

    def heatmap(self, image: Any, label: str | int | None = None) -> HeatMap:
        """Shows where in a photo a class is: a float32 array (H, W) of the upright photo's size.

        1 is the place that adds most to the class; 0 is a place that adds nothing or that was
        cropped away. ``label``: the name or index of a class; default: the most likely one. A
        notebook displays the array as heat over the photo.
        Raises ImageError, and SqznetError for an unknown label.
        """
        from sqznet.insight.heatmap import Evidence

        evidence = Evidence(self, image)
        return evidence.heatmap(evidence.index(label))

    def localize(self, image: Any, top: int = 1) -> list[Box]:
        """A box (x0, y0, x1, y1, label, score) for each of the ``top`` most likely classes, best
        first, in pixels of the upright photo.

        A box encloses the largest connected part of the heat map with values of at least 0.25; a
        class without such a part has no box. Raises ImageError.
        """
        from sqznet.insight.heatmap import boxes

        return boxes(self, image, checked_top(top, self.num_classes))
