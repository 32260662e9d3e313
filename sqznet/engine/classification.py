"""From photos to class scores: the pipeline of a network with a classifier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, overload

from sqznet import _kernels, weights
from sqznet.answers import Prediction, PredictionLists, Predictions, checked_top, sigmoid, summed
from sqznet.engine.pipeline import Pipeline
from sqznet.engine.program import Workspace
from sqznet.errors import SqznetError
from sqznet.images import decoding
from sqznet.images.callers import Reading, grouped, reading, several
from sqznet.images.pixels import Pixels
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
        precision: str | None = None,
    ) -> None:
        super().__init__(
            checkpoint,
            threads=threads,
            isa=isa,
            variant=variant,
            preprocessing=preprocessing,
            wiring=wiring,
            precision=precision,
        )
        self.num_classes = self.executor.network.num_classes
        self.activation = self.executor.network.activation
        self.labels = names_for(labels, checkpoint.labels, self.num_classes, checkpoint.path)

    @overload
    def classify(  # type: ignore[overload-overlap]
        self,
        images: decoding.ImageLike,
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
        coarse: bool = False,
    ) -> list[Prediction]: ...

    @overload
    def classify(
        self,
        images: Iterable[Any],
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
        coarse: bool = False,
    ) -> list[list[Prediction]]: ...

    def classify(
        self,
        images: Any,
        top: int = 5,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
        coarse: bool = False,
    ) -> Any:
        """The ``top`` most likely classes, best first; for a network without activation, the
        largest outputs.

        ``images`` is one image, which gives a list of Predictions, or several, which give a list of
        such lists. One image is a path, bytes, a binary file object, a PIL image, a uint8 array
        H x W, H x W x 3 (RGB) or H x W x 4 (RGBA), or such a tensor of torch, also with its
        channels first. Several are a list or any other iterable of images, or an array or tensor of
        four dimensions. Raises ImageError if an image cannot be read.

        ``fast_decode`` allows large JPEG files to be scaled down while they are decoded, never
        below the size that they are resized to: this is faster, but changes the scores a little.
        ``channels``: the order in arrays and tensors, "rgb" or "bgr", as OpenCV has it. Files and
        PIL images know their own.
        ``allow_urls`` fetches images whose path is an http:// or https:// address. Use it only for
        addresses that you trust: they are opened from your network.
        ``coarse`` sums the scores of ImageNet's classes that WordNet has below one name, such as
        "cat": see `coarse_labels`. The index of an answer is then that of its most likely class.
        """
        top = checked_top(top, self.num_classes)
        how = reading(fast_decode, channels, allow_urls)
        names = self.coarse_labels if coarse else None
        listed = several(images)
        if listed is None:
            return self._named([self.decode(images, how)], top, names)[0]
        answers = PredictionLists()
        for group in grouped(listed, self.threads):
            answers += self._named([self.decode(image, how) for image in group], top, names)
        return answers

    @property
    def coarse_labels(self) -> tuple[str, ...]:
        """The coarse name of each class, such as "cat" for "tabby"; several classes share one.

        Raises SqznetError unless the labels are those of ImageNet and the scores a softmax.
        """
        if self.activation != "softmax":
            raise SqznetError(
                f"coarse answers are sums of softmax scores, this network has {self.activation}"
            )
        from sqznet.weights.hierarchy import coarse_names

        return coarse_names(self.labels)

    def _named(
        self, decoded: Sequence[Pixels], top: int, names: Sequence[str] | None
    ) -> list[list[Prediction]]:
        """The answers by the names of the classes, or by names that they share."""
        if names is None:
            return self._classify_group(decoded, top)
        found = self._classify_group(decoded, self.num_classes)
        return [Predictions(summed(predictions, names, top)) for predictions in found]

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
            run = partial(
                self.executor.run, len(group), height, width, partial(self._logits_of, group)
            )
            logits, largest = run()
            if largest > self.executor.safe_input:  # which a run for smaller inputs does not check
                logits, _ = run(largest_input=largest)
            y[start : start + self.threads] = logits
        return y

    def _logits_of(
        self, x: npt.NDArray[np.float32], workspace: Workspace
    ) -> tuple[npt.NDArray[np.float32], float]:
        """Also gives the largest magnitude of the input."""
        import numpy as np

        largest = self._import(x, workspace.input)
        if not isfinite(largest):
            raise SqznetError("logits() needs finite values: x holds NaN or infinity")
        workspace.run()
        return np.array(workspace.outputs["logits"])[:, 0, 0], largest

    def _import(self, x: npt.NDArray[np.float32], y: _kernels.Tensor) -> float:
        """Copies a preprocessed input; bytes get its gray levels, or what the file rounds it to.
        Gives its largest magnitude, 0 for bytes, whose sums cannot overflow, or infinity if it is
        not finite."""
        pool, integers = self.executor.pool, self.checkpoint.integers
        if y.dtype == "float32":
            return _kernels.import_nchw(pool, x, y)
        assert integers is not None
        step, limits = [1 / std for std in integers.std], integers.limits or (0, 255)
        kernels = self.executor.kernels.int8
        largest = _kernels.import_nchw_levels(kernels, pool, x, y, integers.mean, step, limits)
        return 0.0 if isfinite(largest) else inf

    def classify_each(
        self, images: Sequence[Any], top: int, fast_decode: bool = False
    ) -> list[list[Prediction] | SqznetError]:
        """See ``Classifier``. All images that can be read run in one pass of the network."""
        top = min(top, self.num_classes)

        def read(workspace: Workspace, rows: Iterable[int]) -> dict[int, list[Prediction]]:
            self._activate(workspace)
            return {row: self._predictions(workspace, row, top) for row in rows}

        return self.each(images, Reading(fast_decode), read)

    def _classify_group(self, decoded: Sequence[Pixels], top: int) -> list[list[Prediction]]:
        def read(workspace: Workspace) -> list[list[Prediction]]:
            self._activate(workspace)
            return [self._predictions(workspace, i, top) for i in range(len(decoded))]

        return self.passed(decoded, read)

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
