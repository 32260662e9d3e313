"""A loaded SqueezeNet: ``Model``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqznet.answers import checked_top
from sqznet.engine.classification import Classification
from sqznet.images.callers import PLAIN, Reading, reading
from sqznet.methods import Explaining, ManyPhotos

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sqznet.calibration.quantizing import Quantized
    from sqznet.insight.heatmap import LogitEvidence


class Model(Classification, ManyPhotos, Explaining):
    """A loaded SqueezeNet, made by ``load``. Any number of threads may use it at once.

    Attributes: ``num_classes``, 0 for weights without a classifier; ``labels``, a name for each
    class; ``activation``, what makes scores of the outputs, "softmax", "sigmoid" or "none";
    ``variant``, such as ``"squeezenet1_1"``; ``wiring``, its padding and pooling;
    ``preprocessing``, how photos become its input; ``threads``; ``isa``, the instruction set of its
    kernels; ``precision``, "float32" or "int8".
    """

    def __repr__(self) -> str:
        return (
            f"<sqznet.Model {self.variant}, {self.num_classes} classes, "
            f"{self.precision}, {self.isa}, {self.threads} thread{'s' if self.threads > 1 else ''}>"
        )

    @property
    def fingerprint(self) -> str:
        """The variant, and a hash of all that decides the answers: weights, preprocessing, wiring,
        labels and, if it computes with them, integers. It is the same in every process and on every
        machine."""
        from sqznet.engine.portable import fingerprint_of
        from sqznet.weights.metadata import dump

        integers = self.checkpoint.integers_text if self.precision == "int8" else None
        settings = dump(self.variant, self.preprocessing, self.labels, self.wiring, integers)
        return fingerprint_of(self.variant, self.checkpoint, settings)

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, a model is loaded there again."""
        from sqznet.engine.portable import reduced

        return reduced(self, variant=self.variant, labels=self.labels or None, wiring=self.wiring)

    def checked_top(self, top: int) -> int:
        """See ``Limited``."""
        return checked_top(top, self.num_classes)

    def evidence(self, image: Any, how: Reading = PLAIN) -> LogitEvidence:
        """See ``Explainable``."""
        from sqznet.insight.heatmap import LogitEvidence

        return LogitEvidence(self, image, how)

    def embed(
        self,
        images: Any,
        normalize: bool = False,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> npt.NDArray[np.float32]:
        """A vector for each image, float32 (N, 512): the average of the feature maps of fire9.

        ``images``: one image (N = 1) or several, as for ``classify``, and so are the options.
        ``normalize`` scales the vectors to length 1, so that their dot products are cosine
        similarities.
        """
        from sqznet.insight.embedding import embed

        return embed(self, images, normalize, reading(fast_decode, channels, allow_urls))

    def quantize(self, images: Iterable[Any], keep_weights: bool = False) -> Quantized:
        """Makes 8-bit integers of the network's weights and activations.

        ``images``: photos of the kind that the network will see, as for ``classify``, without
        labels: 80 are enough. A quarter of them is kept apart: the result says how well the
        integers agree with float32 on these. Its ``save`` writes a file of a quarter of the size
        of float32, for ``load(path, precision="int8")``. ``keep_weights``: leave the weights as
        they are and only add scales, so that the file also runs in float32 as before.
        Raises ImageError, and SqznetError for fewer than two photos.
        """
        from sqznet.calibration.quantizing import quantize

        return quantize(self, list(images), keep_weights)
