"""A loaded SqueezeNet: ``Model``, and what it answers, ``Prediction``."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from sqznet import _kernels, _pixels, cpu, graph, image, weights
from sqznet.errors import SqznetError
from sqznet.executor import Executor
from sqznet.labels import Labels
from sqznet.labels import for_network as names_for
from sqznet.notebook import Predictions
from sqznet.preprocessing import Preprocessing, geometry
from sqznet.program import Workspace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sqznet.batch import FileResult
    from sqznet.heatmap import Box, HeatMap


class Prediction(NamedTuple):
    """One answer: the class's name, its softmax score in 0..1 and its index."""

    label: str
    score: float
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody misses here


class Model:
    """A loaded SqueezeNet; ``load`` makes one. Any number of threads may use it at once.

    Attributes: ``num_classes``, 0 for weights without a classifier; ``labels``, a name for each
    class; ``variant``, such as ``"squeezenet1_1"``; ``wiring``, its padding and pooling;
    ``preprocessing``, how photos are fed to it; ``threads``; ``isa``, its kernels' instruction set.
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
        table = cpu.kernel_table(isa)
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
        self.isa = table.isa
        self._table = table.capsule()
        self._checkpoint = checkpoint
        self._executor = _executor(checkpoint, network, table, pool)
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
        self, images: image.Source, top: int = 5, fast_decode: bool = False
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
            return self._classify_group([self._decode(images, fast_decode)], top)[0]
        answers: list[list[Prediction]] = []
        for start in range(0, len(images), self.threads):
            group = images[start : start + self.threads]
            decoded = [self._decode(source, fast_decode) for source in group]
            answers += self._classify_group(decoded, top)
        return answers

    def preprocess(self, source: Any, fast_decode: bool = False) -> npt.NDArray[np.float32]:
        """The network's input for one image: float32 (1, 3, H, W), channels in its order.

        ``fast_decode``: as for ``classify``.
        """
        import numpy as np

        height, width = self.preprocessing.size
        pixels = _kernels.Tensor((1, height, width, 3))
        self._feed(self._decode(source, fast_decode), pixels)
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
        self._executor.network.shapes(height, width)
        y = np.empty((n, self.num_classes), np.float32)
        for start in range(0, n, self.threads):
            group = x[start : start + self.threads]
            with self._executor.workspace(len(group), height, width) as workspace:
                if not _kernels.import_nchw(self._executor.pool, group, workspace.input):
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

        known = self._executor.network.layer_names
        if missing := [name for name in layers if name not in known]:
            raise SqznetError(f"no layer {missing[0]!r}, expected one of {', '.join(known)}")
        keep = tuple(known[name] for name in layers)
        for start in range(0, len(images), self.threads):
            group = images[start : start + self.threads]
            decoded = [self._decode(source, fast_decode) for source in group]
            size = self.preprocessing.size
            with self._executor.workspace(len(decoded), *size, keep) as workspace:
                for i, pixels in enumerate(decoded):
                    self._feed(pixels, workspace.image(i))
                workspace.run()
                kept = {name: np.array(workspace.kept[known[name]]) for name in layers}
                logits = np.array(workspace.logits)[:, 0, 0, : self.num_classes]
            for i in range(len(decoded)):
                yield {name: kept[name][i] for name in layers} | {"logits": logits[i]}

    def classify_files(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        top: int = 5,
        fast_decode: bool = False,
    ) -> Iterator[FileResult]:
        """A result (path, predictions, error) for each of many photos, in their order.

        ``paths``: files, folders (searched through) and patterns, one or several, see
        ``sqznet.sources``. ``threads`` photos are worked on at a time, a few ahead of the caller;
        memory stays flat however many there are. What cannot be read has no predictions and an
        ImageError, else ``error`` is None. ``top`` and ``fast_decode``: as for ``classify``.
        """
        from sqznet.batch import find_and_classify

        return find_and_classify(self, paths, checked_top(top, self.num_classes), fast_decode)

    async def aclassify(
        self, image: Any, top: int = 5, fast_decode: bool = False
    ) -> list[Prediction]:
        """``classify`` one image without holding up the event loop.

        Any number of tasks may share the model: at most ``threads`` of them are worked on at a
        time, the others wait. A task that is cancelled while it waits costs nothing more.
        """
        from sqznet.aio import classify

        return await classify(self, image, checked_top(top, self.num_classes), fast_decode)

    def embed(
        self, images: Any, normalize: bool = False, fast_decode: bool = False
    ) -> npt.NDArray[np.float32]:
        """A vector for each image, float32 (N, 512): what fire9 sees, averaged over the photo.

        ``images``: one image (N = 1) or a list or tuple of them, as for ``classify``. ``normalize``
        gives the vectors the length 1, so that their dot product is how alike the photos are.
        """
        from sqznet.embedding import embed

        return embed(self, images, normalize, fast_decode)

    def heatmap(self, image: Any, label: str | int | None = None) -> HeatMap:
        """Where in a photo a class shows: a float32 array (H, W) in the upright photo's own size.

        1 is the place that speaks most for the class, 0 where nothing does, and where the network
        did not look because the photo was cropped. ``label``: a class's name or its index; default:
        the likeliest. A notebook shows the array as heat over the photo.
        Raises ImageError, and SqznetError for an unknown label.
        """
        from sqznet.heatmap import Evidence

        evidence = Evidence(self, image)
        return evidence.heatmap(evidence.index(label))

    def localize(self, image: Any, top: int = 1) -> list[Box]:
        """A box (x0, y0, x1, y1, label, score) for each of the ``top`` likeliest classes, in pixels
        of the upright photo: around the largest part of the class's heat map that is 0.25 or more.

        Best first; a class that nothing speaks for has no box. Raises ImageError.
        """
        from sqznet.heatmap import boxes

        return boxes(self, image, checked_top(top, self.num_classes))

    def _classify_group(self, decoded: Sequence[image.Pixels], top: int) -> list[list[Prediction]]:
        with self._executor.workspace(len(decoded), *self.preprocessing.size) as workspace:
            for i, pixels in enumerate(decoded):
                self._feed(pixels, workspace.image(i))
            workspace.run()
            _kernels.softmax(self._executor.table, workspace.logits, workspace.logits)
            return [self._predictions(workspace, i, top) for i in range(len(decoded))]

    def _decode(self, source: Any, fast: bool) -> image.Pixels:
        return image.decode(source, self._resized if fast else None)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        return geometry(self.preprocessing, height, width)[:2]

    def _feed(self, pixels: image.Pixels, x: _kernels.Tensor) -> None:
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
            self._table,
        )

    def _predictions(self, workspace: Workspace, row: int, top: int) -> list[Prediction]:
        return Predictions(
            Prediction(self.labels[index], score, index)
            for index, score in workspace.logits.top_k(row, top)
        )


def _executor(
    checkpoint: weights.Checkpoint,
    network: graph.Network,
    table: _kernels.KernelTable,
    pool: _kernels.ThreadPool,
) -> Executor:
    prepare = partial(Executor, network, checkpoint.tensors, table, pool, checkpoint.path)
    if not checkpoint.activations:
        return prepare()
    from sqznet.quantized import RoundedLayers

    return prepare(partial(RoundedLayers, checkpoint.activations))


def checked_top(top: int, classes: int) -> int:
    try:
        count = 0 if isinstance(top, bool) else operator.index(top)
    except TypeError:
        count = 0
    if count < 1:
        raise SqznetError(f"top must be a whole number from 1 up, not {top!r}")
    if classes == 0:
        raise SqznetError("these weights have no classifier: they can embed() and learn()")
    return min(count, classes)
