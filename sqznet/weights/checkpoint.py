"""The result of every weights reader: named raw tensors, wiring and preprocessing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from sqznet.errors import WeightsError, shown
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.layers import Network
from sqznet.network.variants import Wiring, network_for

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sqznet.network.detector import AnyDesign
    from sqznet.quantization.description import Integers
    from sqznet.weights.grids import DynamicQuantization, Quantization

#: Bytes per element of the element types that weights may have.
FLOAT_SIZES: Mapping[str, int] = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}

#: More dimensions than any layer has; a longer shape means damage.
MAX_DIMENSIONS = 8

# Counters of batch-norm layers; they are not used in inference.
_COUNTER_SUFFIX = "num_batches_tracked"


class RawTensor:
    """A tensor as stored in the file, not yet converted.

    dtype: "float16", "bfloat16", "float32" or "float64"; or "int8" with scales.
    shape: non-negative integers; () is a scalar.
    data: flat bytes (format "B", contiguous), little-endian, C order; its length is the product of
        the shape times the element's size. It may be a view of the file's bytes.
    scales: for int8, one float32 for each output channel (the first dimension): the weights are
        the integers times their channel's scale. None for floats. Bytes as in ``data``.
    input_scales: for int8, None or one float32 for each input channel (the second dimension), by
        which the weights are then divided: the scales of the bytes that they are multiplied with.

    Raises WeightsError if dtype, shape and data do not agree.
    """

    def __init__(
        self,
        dtype: str,
        shape: tuple[int, ...],
        data: memoryview,
        scales: memoryview | None = None,
        input_scales: memoryview | None = None,
    ) -> None:
        if dtype not in FLOAT_SIZES and (dtype != "int8" or scales is None):
            raise WeightsError(
                f"element type {shown(dtype)}, expected one of {', '.join(FLOAT_SIZES)}"
            )
        if len(shape) > MAX_DIMENSIONS:
            raise WeightsError(
                f"a tensor of {len(shape)} dimensions, expected {MAX_DIMENSIONS} at most"
            )
        expected = element_count(shape) * FLOAT_SIZES.get(dtype, 1)
        if data.nbytes != expected:
            raise WeightsError(
                f"a {dtype} tensor of shape {shape} has {data.nbytes} bytes, expected {expected}"
            )
        fits = scales is None or (dtype == "int8" and shape and scales.nbytes == 4 * shape[0])
        if not fits:
            raise WeightsError(
                f"a {dtype} tensor of shape {shape} has scales, expected a float32 for each output "
                "channel of int8, and none of floats"
            )
        if input_scales is not None and (
            scales is None or len(shape) < 2 or input_scales.nbytes != 4 * shape[1]
        ):
            raise WeightsError(
                f"a {dtype} tensor of shape {shape} has input scales, expected a float32 for each "
                "input channel of int8, and none of floats"
            )
        self.dtype = dtype
        self.shape = shape
        self.data = data
        self.scales = scales
        self.input_scales = input_scales

    def channel(self, index: int) -> RawTensor:
        """The part of one output channel, without a copy."""
        size = self.data.nbytes // self.shape[0]
        data = self.data[index * size : (index + 1) * size]
        scale = self.scales and self.scales[4 * index : 4 * (index + 1)]
        return RawTensor(self.dtype, (1, *self.shape[1:]), data, scale, self.input_scales)

    def __reduce__(self) -> tuple[Any, ...]:
        return _tensor, self._copies()

    def copy(self) -> RawTensor:
        """The same tensor in memory of its own."""
        return _tensor(*self._copies())

    def _copies(self) -> tuple[Any, ...]:
        scales = map(_copied, (self.scales, self.input_scales))
        return self.dtype, self.shape, bytes(self.data), *scales

    def floats(self) -> RawTensor:
        """The same weights as floats: int8 becomes float32, floats are unchanged."""
        if self.scales is None:
            return self
        import numpy as np

        integers = np.frombuffer(self.data, np.int8).reshape(self.shape)
        scales = np.frombuffer(self.scales, "<f4").reshape(-1, *[1] * (integers.ndim - 1))
        weights = np.empty(self.shape, "<f4")
        with np.errstate(all="ignore"):  # layers refuse values that are not finite
            np.multiply(integers, scales, out=weights)
            if self.input_scales is not None:
                inputs = np.frombuffer(self.input_scales, "<f4")
                weights /= inputs.reshape(-1, *[1] * (integers.ndim - 2))
        return RawTensor("float32", self.shape, weights.reshape(-1).data.cast("B"))

    def array(self) -> npt.NDArray[np.float32]:
        """The tensor as a float32 array of its own."""
        import numpy as np

        from sqznet import _kernels

        raw = self.floats()
        shape = raw.shape if len(raw.shape) == 4 else (*raw.shape, 1, 1, 1)
        out, cin, height, width = shape
        tensor = _kernels.Tensor.from_bytes(raw.data, raw.dtype, (out, cin, height, width))
        return np.array(tensor).reshape(raw.shape)


def _copied(view: memoryview | None) -> bytes | None:
    return None if view is None else bytes(view)


def _tensor(dtype: str, shape: tuple[int, ...], data: bytes, *scales: bytes | None) -> RawTensor:
    views = (None if content is None else memoryview(content) for content in scales)
    return RawTensor(dtype, shape, memoryview(data), *views)


class Source:
    """The file that weights were read from: its absolute path, and its state then.

    Raises OSError if there is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        status = os.stat(path)
        self.path = os.path.abspath(os.fsdecode(path))
        self._state = status.st_size, status.st_mtime_ns

    def is_unchanged(self) -> bool:
        try:
            return Source(self.path)._state == self._state
        except OSError:
            return False


class Checkpoint(NamedTuple):
    """The content of one weights file.

    path: the file, for error messages.
    format: "safetensors", "torch", "onnx", "caffe", "keras", "ncnn", "deep-compression", "npz",
        "compressed".
    tensors: by torchvision's names ("features.0.weight", ...); convolutions are OIHW.
    metadata: of the file; empty if the format has no place for it.
    variant: "squeezenet1_1" and the like if the file states it, else None.
    preprocessing: how a photo becomes the network's input.
    labels: one name per class if the file has them, else None.
    wiring: padding, pooling and what follows conv10 (ReLU, and softmax or sigmoid), from the file
        if stated, else its format's default.
    reasons: for each of "variant", the fields of `wiring`, "preprocessing", "labels" and
        "precision" (if the tensors differ from those in the file): a phrase such as "the file's
        layer conv10" or "the default for torch files". "integers": why there are none, if the file
        rounds its activations.
    warnings: what users should know, such as that the content is not what the name says.
    activations: the grids to which the file's network rounds its activations, in order, by place:
        "input", the name of a convolution (after its ReLU), "features.N" (pool N),
        "features.N.concat" and "features.N.add" (fire N after joining its parts, and after adding
        its bypass), "average" (the logits). Nothing is rounded elsewhere; most files do not round.
    own_names: the names that tensors have in the file, where they are others, for messages.
    choice: a line about which of several networks in the file this is, if nobody named it.
    source: the file, if reading it again gives the same; None if it was read with a choice.
    integers_text: how weights and activations become 8-bit integers, if the file says it: then the
        network may also run in integers. It is read when `integers` is asked for, since float32
        does not need it. None for most files.
    detector: how the head of a detector reads the trunk; None for a classifier.
    """

    path: str
    format: str
    tensors: Mapping[str, RawTensor]
    metadata: Mapping[str, str]
    variant: str | None
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None
    wiring: Wiring = Wiring()
    reasons: Mapping[str, str] = MappingProxyType({})
    warnings: tuple[str, ...] = ()
    activations: Mapping[str, tuple[Quantization | DynamicQuantization, ...]] = MappingProxyType({})
    own_names: Mapping[str, str] = MappingProxyType({})
    choice: str = ""
    source: Source | None = None
    integers_text: str | None = None
    detector: AnyDesign | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only views of dictionaries cannot be pickled.
        fields = [dict(value) if isinstance(value, Mapping) else value for value in self]
        return Checkpoint, tuple(fields)

    @property
    def integers(self) -> Integers | None:
        """How weights and activations become 8-bit integers, if the file says it.

        Raises WeightsError if what it says is damaged.
        """
        if self.integers_text is None:
            return None
        from sqznet.weights.integers import read_integers

        try:
            found = read_integers(self.integers_text)
            return found if found.is_complete else self._completed(found)
        except WeightsError as error:
            raise WeightsError(f"{self.path}: {error}") from None

    def _completed(self, integers: Integers) -> Integers:
        from sqznet.quantization.completion import completed

        return completed(self.network(), integers, lambda name: self.tensors[name].array())

    def network(self, variant: str | None = None, wiring: Wiring | None = None) -> Network:
        """The network that the tensors belong to, with the given wiring or that of the file.

        ``variant``: see ``network_for``. Raises WeightsError if they are not a SqueezeNet's.
        """
        shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
        return network_for(
            shapes,
            variant or self.variant,
            self.path,
            wiring or self.wiring,
            self.own_names,
            self.detector,
        )


def element_count(shape: tuple[int, ...]) -> int:
    """Product of the dimensions (1 for a scalar)."""
    count = 1
    for dimension in shape:
        count *= dimension
    return count


def is_ignored(name: str) -> bool:
    """Whether an entry that is not a float tensor can be ignored."""
    return name.endswith(_COUNTER_SUFFIX)
