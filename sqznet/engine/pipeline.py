"""From photos to what a loaded network makes of them: decode, feed, run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from sqznet import _kernels, _pixels, weights
from sqznet.answers import Prediction, Predictions, checked_top
from sqznet.engine import cpu
from sqznet.engine.executor import Executor
from sqznet.engine.program import Workspace
from sqznet.errors import SqznetError
from sqznet.images import decoding
from sqznet.images.preprocessing import Preprocessing, geometry
from sqznet.network import graph
from sqznet.weights.labels import Labels
from sqznet.weights.labels import for_network as names_for

if TYPE_CHECKING:
    from typing import TypeVar

    import numpy as np
    import numpy.typing as npt

    Same = TypeVar("Same", bound="Pipeline")


class Pipeline:
    """A network with its weights, and the way of a photo through it. ``Model`` is its face.

    Besides what `Model` tells its users: ``executor``, ``checkpoint``.
    """

    def __init__(
        self,
        checkpoint: weights.Checkpoint,
        *,
        threads: int | None = None,
        isa: str | None = None,
        variant: str | None = None,
        preprocessing: Preprocessing | None = None,
        labels: Labels | None = None,
        wiring: graph.Wiring | None = None,
    ) -> None:
        kernels = cpu.kernels(isa)
        pool = _kernels.ThreadPool(cpu.thread_count(threads))
        shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
        self.wiring = wiring or checkpoint.wiring
        network = graph.network_for(
            shapes, variant or checkpoint.variant, checkpoint.path, self.wiring
        )
        self.preprocessing = preprocessing or checkpoint.preprocessing
        network.shapes(*self.preprocessing.size)
        self.variant = network.variant
        self.num_classes = network.num_classes
        self.labels = names_for(labels, checkpoint.labels, network.num_classes, checkpoint.path)
        self.threads = pool.threads
        self.isa = kernels.isa
        self._pixel_kernels = kernels.pixels.capsule()
        self.checkpoint = checkpoint
        self.executor = _executor(checkpoint, network, kernels, pool)
        checkpoint.require_unchanged()

    def __repr__(self) -> str:
        return (
            f"<sqznet.Model {self.variant}, {self.num_classes} classes, "
            f"{self.isa}, {self.threads} thread{'s' if self.threads > 1 else ''}>"
        )

    @overload
    def classify(
        self, images: list[Any] | tuple[Any, ...], top: int = 5, fast_decode: bool = False
    ) -> list[list[Prediction]]: ...

    @overload
    def classify(
        self, images: decoding.ImageLike, top: int = 5, fast_decode: bool = False
    ) -> list[Prediction]: ...

    def classify(self, images: Any, top: int = 5, fast_decode: bool = False) -> Any:
        """The ``top`` most likely classes, best first.

        ``images`` is one image (a path, bytes, a binary file object, a PIL image or a uint8 array
        H x W, H x W x 3 or H x W x 4), which gives a list of Predictions, or a list or tuple of
        images, which gives a list of such lists. Raises ImageError if any cannot be read.

        ``fast_decode`` lets large JPEG files be scaled down while they are decoded, never below
        the size that they are resized to: quicker, but the scores change a little.
        """
        top = checked_top(top, self.num_classes)
        if not isinstance(images, list | tuple):
            return self._classify_group([self.decode(images, fast_decode)], top)[0]
        answers: list[list[Prediction]] = []
        for start in range(0, len(images), self.threads):
            group = images[start : start + self.threads]
            decoded = [self.decode(source, fast_decode) for source in group]
            answers += self._classify_group(decoded, top)
        return answers

    def preprocess(self, source: Any, fast_decode: bool = False) -> npt.NDArray[np.float32]:
        """The network's input for one image: float32 (1, 3, H, W), channels in its order.

        ``fast_decode``: as for ``classify``.
        """
        import numpy as np

        height, width = self.preprocessing.size
        pixels = _kernels.Tensor((1, height, width, 3))
        self.feed(self.decode(source, fast_decode), pixels)
        x = np.empty((1, 3, height, width), np.float32)
        _kernels.export_nchw(pixels, _kernels.Tensor.over(x, x.shape))
        return x

    def logits(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class scores before softmax, float32 (N, num_classes), for preprocessed input.

        ``x`` is float32 (N, 3, H, W) of any strides, N >= 0, H and W from the network's smallest
        legal size up. Raises SqznetError for another dtype or shape and for values that are not
        finite.
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
            with self.executor.workspace(len(group), height, width) as workspace:
                if not _kernels.import_nchw(self.executor.pool, group, workspace.input):
                    raise SqznetError("logits() needs finite values: x holds NaN or infinity")
                workspace.run()
                y[start : start + self.threads] = np.asarray(workspace.logits)[:, 0, 0]
        return y

    def feature_maps(
        self, images: Sequence[Any], layers: Sequence[str] = ("fire9",), fast_decode: bool = False
    ) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
        """What these layers see in each image: float32 (H, W, C), after ReLU and any bypass.

        ``images``: as for ``classify``, always several. ``layers``: of "conv1" and "fire2" to
        "fire9". One dictionary an image, in their order, each the caller's own; besides the layers
        it holds "logits", float32 (num_classes,). Raises ImageError, and SqznetError for an unknown
        layer.
        """
        import numpy as np

        known = self.executor.network.layer_names
        if missing := [name for name in layers if name not in known]:
            raise SqznetError(f"no layer {missing[0]!r}, expected one of {', '.join(known)}")
        keep = tuple(known[name] for name in layers)
        for start in range(0, len(images), self.threads):
            group = images[start : start + self.threads]
            decoded = [self.decode(source, fast_decode) for source in group]
            size = self.preprocessing.size
            with self.executor.workspace(len(decoded), *size, keep) as workspace:
                for i, pixels in enumerate(decoded):
                    self.feed(pixels, workspace.image(i))
                workspace.run()
                kept = {name: np.array(workspace.kept[known[name]]) for name in layers}
                logits = np.array(workspace.logits)[:, 0, 0, : self.num_classes]
            for i in range(len(decoded)):
                yield {name: kept[name][i] for name in layers} | {"logits": logits[i]}

    def alone(self: Same) -> Same:
        """The same model on the same packed weights, of which every caller uses one thread: its
        own."""
        other = copy(self)
        other.executor = self.executor.alone()
        other.threads = 1
        return other

    def classify_each(
        self, sources: Sequence[Any], top: int, fast_decode: bool = False
    ) -> list[list[Prediction] | SqznetError]:
        """See ``Classifier``: one pass of the network for all sources that can be read."""
        top = min(top, self.num_classes)
        workspace = self.executor.acquire(len(sources), *self.preprocessing.size)
        try:
            answers: list[Any] = [None] * len(sources)
            for row, source in enumerate(sources):
                try:
                    self.feed(self.decode(source, fast_decode), workspace.image(row))
                except SqznetError as error:
                    answers[row] = error
            if None in answers:
                workspace.run()
                _kernels.softmax(self.executor.kernels.f32, workspace.logits, workspace.logits)
            return [
                self.predictions(workspace, row, top) if answer is None else answer
                for row, answer in enumerate(answers)
            ]
        finally:
            self.executor.release(workspace)

    def _classify_group(
        self, decoded: Sequence[decoding.Pixels], top: int
    ) -> list[list[Prediction]]:
        with self.executor.workspace(len(decoded), *self.preprocessing.size) as workspace:
            for i, pixels in enumerate(decoded):
                self.feed(pixels, workspace.image(i))
            workspace.run()
            _kernels.softmax(self.executor.kernels.f32, workspace.logits, workspace.logits)
            return [self.predictions(workspace, i, top) for i in range(len(decoded))]

    def decode(self, source: Any, fast: bool) -> decoding.Pixels:
        return decoding.decode(source, self.resized if fast else None)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        return geometry(self.preprocessing, height, width)[:2]

    def feed(self, pixels: decoding.Pixels, x: _kernels.Tensor) -> None:
        pre = self.preprocessing
        resized_h, resized_w, top, left = geometry(pre, pixels.height, pixels.width)
        _pixels.resize_normalize(
            pixels.data,
            pixels.height,
            pixels.width,
            pixels.channels,
            resized_h,
            resized_w,
            top,
            left,
            x,
            pre.mean,
            pre.std,
            (pre.channel_order == "bgr") != pixels.bgr,
            self._pixel_kernels,
        )

    def predictions(self, workspace: Workspace, row: int, top: int) -> list[Prediction]:
        return Predictions(
            Prediction(self.labels[index], score, index)
            for index, score in workspace.logits.top_k(row, top)
        )


def _executor(
    checkpoint: weights.Checkpoint,
    network: graph.Network,
    kernels: _kernels.Kernels,
    pool: _kernels.ThreadPool,
) -> Executor:
    prepare = partial(Executor, network, checkpoint.tensors, kernels, pool, checkpoint.path)
    if not checkpoint.activations:
        return prepare()
    from sqznet.engine.rounded_layers import RoundedLayers

    return prepare(partial(RoundedLayers, checkpoint.activations))
