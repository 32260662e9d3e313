"""What every weights reader returns: named raw tensors, and how the network wants to be fed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sqznet.errors import WeightsError, shown
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.graph import Wiring
from sqznet.weights.mapped import MappedFile

#: Bytes per element of the element types that weights may have.
FLOAT_SIZES: Mapping[str, int] = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}

#: More dimensions than any layer has; a longer shape is damage.
MAX_DIMENSIONS = 8

# The tensor that every SqueezeNet has and that shows what stands before its names.
_FIRST_TENSOR = "features.0.weight"

# Counters that batch-norm layers keep; they take no part in inference.
_COUNTER_SUFFIX = "num_batches_tracked"


class _RawTensor(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    data: memoryview


class RawTensor(_RawTensor):
    """A tensor as the file holds it, not yet converted.

    dtype: "float16", "bfloat16", "float32" or "float64".
    shape: non-negative integers; () is a scalar.
    data: flat bytes (format "B", contiguous), little-endian, C order; its length is the product of
        the shape times the element's size. It may be a view of a mapped file.

    Raises WeightsError if dtype, shape and data do not agree.
    """

    __slots__ = ()

    def __new__(cls, dtype: str, shape: tuple[int, ...], data: memoryview) -> RawTensor:
        if dtype not in FLOAT_SIZES:
            raise WeightsError(
                f"element type {shown(dtype)}, expected one of {', '.join(FLOAT_SIZES)}"
            )
        if len(shape) > MAX_DIMENSIONS:
            raise WeightsError(
                f"a tensor of {len(shape)} dimensions, expected {MAX_DIMENSIONS} at most"
            )
        expected = element_count(shape) * FLOAT_SIZES[dtype]
        if data.nbytes != expected:
            raise WeightsError(
                f"a {dtype} tensor of shape {shape} has {data.nbytes} bytes, expected {expected}"
            )
        return super().__new__(cls, dtype, shape, data)

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> RawTensor:  # type: ignore[override]
        return cls(*iterable)  # so that _replace checks, too


class Quantization(NamedTuple):
    """A grid of numbers that a file rounds its activations to.

    Each becomes scale * (n - zero_point), where n is the whole number nearest to it on that scale
    (of two as near, the even one before zero_point is added), within low and high.
    """

    scale: float
    zero_point: int
    low: int
    high: int


class Checkpoint(NamedTuple):
    """The content of one weights file.

    path: the file, as error messages show it.
    format: "safetensors", "torch", "onnx", "caffe", "keras", "ncnn", "deep-compression", "npz".
    tensors: by torchvision's names ("features.0.weight", ...); convolutions are OIHW.
    metadata: what the file says of itself; empty where the format has no place for it.
    variant: "squeezenet1_1" and the like if the file says so, else None.
    preprocessing: how a photo becomes the network's input.
    labels: one name a class if the file carries them, else None.
    wiring: padding, pooling and softmax, from the file where it says so, else its format's default.
    reasons: why, by what was chosen: "variant", "conv1_padding", "conv10_padding", "ceil_mode",
        "softmax", "preprocessing", "labels", "precision" (where the tensors are not as the file
        has them); a phrase such as "the file's layer conv10" or "the default for torch files".
    warnings: what its user should know: that it is not what its name says, and the like.
    activations: the grids that the file's network rounds its activations to, one after the other,
        by place: "input", the name of a convolution (behind its ReLU), "features.N" (pool N),
        "features.N.concat" and "features.N.add" (fire N's parts joined; its bypass added),
        "average" (the logits). Nothing is rounded elsewhere, and nowhere in most files.
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
    activations: Mapping[str, tuple[Quantization, ...]] = MappingProxyType({})

    def require_unchanged(self) -> None:
        """Raises WeightsError if a file that tensors lie in was written to since it was mapped.

        Before tensors are looked at, this says that they are still there; afterwards, that what was
        read is what the file held.
        """
        files = {id(tensor.data.obj): tensor.data.obj for tensor in self.tensors.values()}
        for file in files.values():
            if isinstance(file, MappedFile) and file.was_written():
                raise WeightsError(
                    f"{self.path}: was written to while it was in use: load it again, and replace "
                    "such a file rather than writing into it"
                )


def element_count(shape: tuple[int, ...]) -> int:
    """Product of the dimensions (1 for a scalar)."""
    count = 1
    for dimension in shape:
        count *= dimension
    return count


def is_ignored(name: str) -> bool:
    """Whether an entry that is no float tensor may be left out without harm."""
    return name.endswith(_COUNTER_SUFFIX)


def plain_names(tensors: Mapping[str, RawTensor]) -> dict[str, RawTensor]:
    """The same tensors without what wrappers put before every name: "module.", "model." etc."""
    first = next((name for name in tensors if name.endswith(f".{_FIRST_TENSOR}")), "")
    prefix = first.removesuffix(_FIRST_TENSOR)
    if not all(name.startswith(prefix) for name in tensors):
        return dict(tensors)
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items()}
