"""A loaded SqueezeNet as its users see it: ``Model``."""

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
    """A loaded SqueezeNet; ``load`` makes one. Any number of threads may use it at once.

    Attributes: ``num_classes``, 0 for weights without a classifier; ``labels``, a name for each
    class; ``variant``, such as ``"squeezenet1_1"``; ``wiring``, its padding and pooling;
    ``preprocessing``, how photos are fed to it; ``threads``; ``isa``, its kernels' instruction set.
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
        """A result (path, predictions, error) for each of many photos, in their order.

        ``paths``: files, folders (searched through) and patterns, one or several, see
        ``sqznet.images.finding``. ``threads`` photos are worked on at a time, a few ahead of the
        caller; memory stays flat however many there are. What cannot be read has no predictions
        and an ImageError, else ``error`` is None. ``top``, ``fast_decode``: as for ``classify``.
        """
        from sqznet.batch.photos import find_and_classify

        return find_and_classify(self, paths, checked_top(top, self.num_classes), fast_decode)

    async def aclassify(
        self, image: Any, top: int = 5, fast_decode: bool = False
    ) -> list[Prediction]:
        """``classify`` one image without holding up the event loop.

        Any number of tasks may share the model: at most ``threads`` of them are worked on at a
        time, the others wait. A task that is cancelled while it waits costs nothing more.
        """
        from sqznet.batch.asynchronous import classify

        return await classify(self, image, checked_top(top, self.num_classes), fast_decode)

    def embed(
        self, images: Any, normalize: bool = False, fast_decode: bool = False
    ) -> npt.NDArray[np.float32]:
        """A vector for each image, float32 (N, 512): what fire9 sees, averaged over the photo.

        ``images``: one image (N = 1) or a list or tuple of them, as for ``classify``. ``normalize``
        gives the vectors the length 1, so that their dot product is how alike the photos are.
        """
        from sqznet.insight.embedding import embed

        return embed(self, images, normalize, fast_decode)

    def heatmap(self, image: Any, label: str | int | None = None) -> HeatMap:
        """Where in a photo a class shows: a float32 array (H, W) in the upright photo's own size.

        1 is the place that speaks most for the class, 0 where nothing does, and where the network
        did not look because the photo was cropped. ``label``: a class's name or its index; default:
        the likeliest. A notebook shows the array as heat over the photo.
        Raises ImageError, and SqznetError for an unknown label.
        """
        from sqznet.insight.heatmap import Evidence

        evidence = Evidence(self, image)
        return evidence.heatmap(evidence.index(label))

    def localize(self, image: Any, top: int = 1) -> list[Box]:
        """A box (x0, y0, x1, y1, label, score) for each of the ``top`` likeliest classes, in pixels
        of the upright photo: around the largest part of the class's heat map that is 0.25 or more.

        Best first; a class that nothing speaks for has no box. Raises ImageError.
        """
        from sqznet.insight.heatmap import boxes

        return boxes(self, image, checked_top(top, self.num_classes))
