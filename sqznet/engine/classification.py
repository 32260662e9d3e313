"""From photos to class scores: the pipeline of a network with a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from sqznet import _kernels, weights
from sqznet.answers import Prediction, Predictions, checked_top, sigmoid
from sqznet.engine.pipeline import Pipeline
from sqznet.engine.program import Workspace
from sqznet.errors import SqznetError
from sqznet.images import decoding
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.variants import Wiring
from sqznet.weights.labels import Labels
from sqznet.weights.labels import for_network as names_for

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Classification(Pipeline):
    """A pipeline that classifies photos. ``num_classes``, ``labels`` and ``activation``: see
    ``sqznet.Model``."""

    def __init__(
        self,
        checkpoint: weights.Checkpoint,
        *,
        threads: int | None = None,
        isa: str | None = None,
        variant: str | None = None,
        preprocessing: Preprocessing | None = None,
        labels: Labels | None = None,
        wiring: Wiring | None = None,
    ) -> None:
        super().__init__(
            checkpoint,
            threads=threads,
            isa=isa,
            variant=variant,
            preprocessing=preprocessing,
            wiring=wiring,
        )
        self.num_classes = self.executor.network.num_classes
        self.activation = self.executor.network.activation
        self.labels = names_for(labels, checkpoint.labels, self.num_classes, checkpoint.path)

    @overload
    def classify(
        self, images: list[Any] | tuple[Any, ...], top: int = 5, fast_decode: bool = False
    ) -> list[list[Prediction]]: ...

    @overload
    def classify(
        self, images: decoding.ImageLike, top: int = 5, fast_decode: bool = False
    ) -> list[Prediction]: ...

    def classify(self, images: Any, top: int = 5, fast_decode: bool = False) -> Any:
        """The ``top`` most likely classes, best first; for a network without activation, the
        largest outputs.

        ``images`` is one image (a path, bytes, a binary file object, a PIL image or a uint8 array
        H x W, H x W x 3 or H x W x 4), which gives a list of Predictions, or a list or tuple of
        images, which gives a list of such lists. Raises ImageError if an image cannot be read.

        ``fast_decode`` allows large JPEG files to be scaled down while they are decoded, never
        below the size that they are resized to: this is faster, but changes the scores a little.
        """
        top = checked_top(top, self.num_classes)
        if not isinstance(images, list | tuple):
            return self._classify_group([self.decode(images, fast_decode)], top)[0]
        answers: list[list[Prediction]] = []
        for start in range(0, len(images), self.threads):
            group = images[start : start + self.threads]
            decoded = [self.decode(image, fast_decode) for image in group]
            answers += self._classify_group(decoded, top)
        return answers

    def logits(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class scores before softmax, float32 (N, num_classes), for a preprocessed input.

        ``x`` is float32 (N, 3, H, W) with any strides; N >= 0, and H and W are at least the
        network's smallest legal size. Raises SqznetError for another dtype or shape and for values
        that are not finite.
        """
        import numpy as np

        if not isinstance(x, np.ndarray) or x.dtype != np.float32:
            found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
            raise SqznetError(f"logits() needs a float32 array (N, 3, H, W), not {found}")
        if x.ndim != 4 or x.shape[1] != 3:
            raise SqznetError(f"logits() needs an array of shape (N, 3, H, W), not {x.shape}")
        checked_top(1, self.num_classes)
        n, _, height, width = x.shape
        self.executor.network.shapes(height, width)
        y = np.empty((n, self.num_classes), np.float32)
        for start in range(0, n, self.threads):
            group = x[start : start + self.threads]
            largest = max(float(group.max()), -float(group.min()))
            with self.executor.workspace(
                len(group), height, width, largest_input=largest
            ) as workspace:
                if not _kernels.import_nchw(self.executor.pool, group, workspace.input):
                    raise SqznetError("logits() needs finite values: x holds NaN or infinity")
                workspace.run()
                y[start : start + self.threads] = np.asarray(workspace.outputs["logits"])[:, 0, 0]
        return y

    def classify_each(
        self, images: Sequence[Any], top: int, fast_decode: bool = False
    ) -> list[list[Prediction] | SqznetError]:
        """See ``Classifier``. All images that can be read run in one pass of the network."""
        top = min(top, self.num_classes)
        size = self.preprocessing.size
        workspace = self.executor.acquire(len(images), *size, largest_input=self.largest_input)
        try:
            answers: list[Any] = [None] * len(images)
            for row, image in enumerate(images):
                try:
                    self.feed(self.decode(image, fast_decode), workspace.image(row))
                except SqznetError as error:
                    answers[row] = error
            if None in answers:
                workspace.run()
                self._activate(workspace)
            return [
                self._predictions(workspace, row, top) if answer is None else answer
                for row, answer in enumerate(answers)
            ]
        finally:
            self.executor.release(workspace)

    def _classify_group(
        self, decoded: Sequence[decoding.Pixels], top: int
    ) -> list[list[Prediction]]:
        with self.passed(decoded) as workspace:
            self._activate(workspace)
            return [self._predictions(workspace, i, top) for i in range(len(decoded))]

    def _activate(self, workspace: Workspace) -> None:
        """Makes scores of the logits, in place; a sigmoid waits until the best are known."""
        if self.activation == "softmax":
            logits = workspace.outputs["logits"]
            _kernels.softmax(self.executor.kernels.f32, logits, logits)

    def _predictions(self, workspace: Workspace, row: int, top: int) -> list[Prediction]:
        scored = workspace.outputs["logits"].top_k(row, top)
        if self.activation == "sigmoid":
            scored = [(index, sigmoid(logit)) for index, logit in scored]
        return Predictions(
            (Prediction(self.labels[index], score, index) for index, score in scored),
            self.activation,
        )
