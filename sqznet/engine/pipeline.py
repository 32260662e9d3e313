"""From photos to the outputs of a loaded network: decode, feed, run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqznet import _kernels, _pixels, weights
from sqznet.engine import cpu
from sqznet.engine import precision as precisions
from sqznet.engine.executor import Executor, Result
from sqznet.engine.program import Workspace
from sqznet.errors import SqznetError, WeightsError
from sqznet.images.callers import PLAIN, Reading, grouped, reading
from sqznet.images.pixels import Pixels
from sqznet.images.preprocessing import Preprocessing, geometry
from sqznet.network.layers import Network
from sqznet.network.variants import Wiring

if TYPE_CHECKING:
    from typing import TypeVar

    import numpy as np
    import numpy.typing as npt

    Same = TypeVar("Same", bound="Pipeline")


class Pipeline:
    """A network with its weights, and a photo's path through it, for any heads.

    Attributes: ``variant``, ``wiring``, ``preprocessing``, ``threads``, ``isa`` and ``precision``,
    see ``sqznet.Model``; ``executor``, which runs the network; ``checkpoint``, which has its
    weights; ``asked``, the arguments ``threads`` and ``isa`` as they were given; ``largest_input``,
    the largest magnitude that a photo becomes, 0 for integers, which do not overflow.
    """

    def __init__(
        self,
        checkpoint: weights.Checkpoint,
        *,
        threads: int | None = None,
        isa: str | None = None,
        variant: str | None = None,
        preprocessing: Preprocessing | None = None,
        wiring: Wiring | None = None,
        precision: str | None = None,
    ) -> None:
        kernels = cpu.kernels(isa)
        pool = _kernels.ThreadPool(cpu.thread_count(threads))
        self.wiring = wiring or checkpoint.wiring
        network = checkpoint.network(variant, self.wiring)
        self.preprocessing = preprocessing or checkpoint.preprocessing
        network.shapes(*self.preprocessing.size)
        self.variant = network.variant
        self.threads = pool.threads
        self.precision, _ = precisions.chosen(
            precision, checkpoint, self.preprocessing, kernels, self.wiring
        )
        integers = self.precision == "int8"
        self.isa = kernels.int8.isa if integers else kernels.f32.isa
        self.asked: dict[str, Any] = {"threads": threads, "isa": isa}
        self._pixel_kernels = kernels.pixels.capsule()
        self.checkpoint = checkpoint
        self.executor = _executor(checkpoint, network, kernels, pool, integers)
        self.largest_input = 0.0 if integers else self.preprocessing.largest
        self._tables = _input_tables(checkpoint, self.preprocessing) if integers else None

    def preprocess(
        self,
        source: Any,
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> npt.NDArray[np.float32]:
        """The network's input for one image: float32 (1, 3, H, W), channels in the network's order.

        ``fast_decode``, ``channels``, ``allow_urls``: as for ``classify``.
        """
        import numpy as np

        height, width = self.preprocessing.size
        pixels = _kernels.Tensor((1, height, width, 3))
        self.feed(self.decode(source, reading(fast_decode, channels, allow_urls)), pixels)
        x = np.empty((1, 3, height, width), np.float32)
        _kernels.export_nchw(pixels, _kernels.Tensor.over(x, x.shape))
        return x

    def feature_maps(
        self,
        images: Iterable[Any],
        layers: Sequence[str] = ("fire9",),
        fast_decode: bool = False,
        *,
        channels: str = "rgb",
        allow_urls: bool = False,
    ) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
        """Yields the maps of these layers for each image: float32 (H, W, C), after ReLU and bypass.

        ``images`` and the options: several images, as for ``classify``. ``layers``: any of "conv1"
        and "fire2" to "fire9". Yields one dictionary per image, in order, which the caller owns;
        besides the layers, it has "logits", float32 (num_classes,). Raises ImageError, and
        SqznetError for an unknown layer.
        """
        import numpy as np

        network = self.executor.network
        known = network.layer_names
        if missing := [name for name in layers if name not in known]:
            raise SqznetError(f"no layer {missing[0]!r}, expected one of {', '.join(known)}")
        keep = tuple(known[name] for name in layers)
        how = reading(fast_decode, channels, allow_urls)

        def copied(workspace: Workspace) -> dict[str, npt.NDArray[np.float32]]:
            maps = {
                name: self.executor.floats(known[name], workspace.outputs[known[name]])
                for name in layers
            }
            if network.num_classes:
                maps["logits"] = np.array(workspace.outputs["logits"])[:, 0, 0]
            return maps

        for group in grouped(images, self.threads):
            decoded = [self.decode(image, how) for image in group]
            maps = self.passed(decoded, copied, keep)
            if not network.num_classes:
                maps["logits"] = np.empty((len(decoded), 0), np.float32)
            for i in range(len(decoded)):
                yield {name: found[i] for name, found in maps.items()}

    def alone(self: Same) -> Same:
        """The same model and packed weights; each caller runs it on its own thread only."""
        other = self.__copy__()
        other.executor = self.executor.alone()
        other.threads = 1
        return other

    def __copy__(self: Same) -> Same:
        """Shares the packed weights, which nothing changes."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __deepcopy__(self: Same, memo: Any) -> Same:
        return self.__copy__()

    def passed(
        self,
        decoded: Sequence[Pixels],
        read: Callable[[Workspace], Result],
        keep: tuple[str, ...] = (),
    ) -> Result:
        """What ``read`` finds in a workspace that has run these photos; see ``Executor.run``."""

        def work(workspace: Workspace) -> Result:
            for i, pixels in enumerate(decoded):
                self.feed(pixels, workspace.image(i))
            workspace.run()
            return read(workspace)

        size = self.preprocessing.size
        return self.executor.run(len(decoded), *size, work, keep, self.largest_input)

    def each(
        self,
        images: Sequence[Any],
        how: Reading,
        read: Callable[[Workspace, Mapping[int, tuple[int, int]]], Mapping[int, Result]],
    ) -> list[Result | SqznetError]:
        """The answer for each image, or its error. All images that can be read run in one pass.

        ``read``: gives the answers by row for a workspace that has run, and for the size (height,
        width) of the image in each row that holds one.
        """
        height, width = self.preprocessing.size
        workspace = self.executor.acquire(
            len(images), height, width, largest_input=self.largest_input
        )
        try:
            answers: dict[int, Result | SqznetError] = {}
            sizes: dict[int, tuple[int, int]] = {}
            for row, image in enumerate(images):
                try:
                    pixels = self.decode(image, how)
                    self.feed(pixels, workspace.image(row))
                    sizes[row] = pixels.whole
                except SqznetError as error:
                    answers[row] = error
            if sizes:
                workspace.run()
                answers |= read(workspace, sizes)
            return [answers[row] for row in range(len(images))]
        finally:
            self.executor.release(workspace)

    def decode(self, image: Any, how: Reading = PLAIN) -> Pixels:
        return how.decode(image, self.resized)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The size that a photo of this height and width is resized to, before any crop."""
        return geometry(self.preprocessing, height, width)[:2]

    def feed(self, pixels: Pixels, x: _kernels.Tensor) -> None:
        """Resizes a photo into ``x`` (1, H, W, 3), the network's input. Floats are normalized;
        bytes are gray levels, or what the file rounds them to once they are normalized."""
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
        if pre.standardize:
            _standardize(x)
        if self._tables is not None and x.dtype == "uint8":
            _kernels.recode(self.executor.pool, x, self._tables, x)


def _standardize(x: _kernels.Tensor) -> None:
    """Makes the mean of a photo's values 0 and their standard deviation 1; of a photo of one color,
    only the mean."""
    import numpy as np

    values = np.asarray(x)
    values -= values.mean(dtype=np.float64)
    deviation = values.std(dtype=np.float64)
    if deviation > 0:
        values /= deviation


def _input_tables(
    checkpoint: weights.Checkpoint, preprocessing: Preprocessing
) -> _kernels.Tensor | None:
    """What becomes of each channel's gray levels, if the file rounds its input; else None."""
    integers = checkpoint.integers
    if integers is None or integers.limits is None:
        return None
    from array import array

    from sqznet.quantization.tables import SAME, input_tables

    tables = input_tables(integers, preprocessing.mean, preprocessing.std)
    if tables == [SAME] * 3:
        return None
    return _kernels.Tensor.over(array("B", b"".join(tables)), (3, len(SAME), 1, 1), "uint8")


def _executor(
    checkpoint: weights.Checkpoint,
    network: Network,
    kernels: _kernels.Kernels,
    pool: _kernels.ThreadPool,
    integers: bool,
) -> Executor:
    prepare = partial(Executor, network, checkpoint.tensors, kernels, pool, checkpoint.path)
    if integers:
        from sqznet.quantization.plan import plan

        assert checkpoint.integers is not None
        try:
            planned = plan(network, checkpoint.integers)
        except WeightsError as error:
            raise WeightsError(f"{checkpoint.path}: its integers: {error}") from None
        if planned.rounds_again:
            from sqznet.engine.recoded_layers import RecodedLayers

            return prepare(partial(RecodedLayers, planned))
        from sqznet.engine.int8_layers import Int8Layers

        return prepare(partial(Int8Layers, planned))
    if not checkpoint.activations:
        return prepare()
    from sqznet.engine.rounded_layers import RoundedLayers

    return prepare(partial(RoundedLayers, checkpoint.activations))
