"""Quantizes a loaded network, and measures what that costs on photos kept apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from sqznet.calibration.calibrator import Calibration, Calibrator
from sqznet.engine.classification import Classification
from sqznet.engine.pipeline import Pipeline
from sqznet.errors import ImageError, SqznetError
from sqznet.files.part_file import write_file
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.layers import Network
from sqznet.quantization import reference
from sqznet.quantization.description import little_endian
from sqznet.quantization.integers import integer_convs
from sqznet.quantization.plan import Plan, plan
from sqznet.weights import metadata
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.integers import integers_text
from sqznet.weights.writers import safetensors

Item = TypeVar("Item")

#: The most photos that a calibration uses, and that it is judged by. More change nothing.
CALIBRATED, JUDGED = 60, 40

#: What is wrong if no photo is left to judge by.
NONE_APART = "none of the photos kept apart could be read"

# Every so many photos, one is kept apart.
_SPACING = 4


class Comparison(NamedTuple):
    """The integer network's logits compared with the float network's.

    agreement: the share of photos with the same best class, 0 to 1. divergence: the mean
    Kullback-Leibler divergence of the softmax from that of the float network, in nats.
    """

    agreement: float
    divergence: float


class Quantized(NamedTuple):
    """The result of ``Model.quantize``.

    checkpoint: weights, scales and biases. calibrated, judged: the number of photos for either.
    agreement, divergence: see `Comparison`, on the photos that were kept apart.
    """

    checkpoint: Checkpoint
    network: Network
    calibrated: int
    judged: int
    agreement: float
    divergence: float

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a safetensors file, which ``sqznet.load(path, precision="int8")`` reads. An old
        file is replaced when the new one is complete. Raises OSError if it cannot be written."""
        save(self.checkpoint, self.network, path)


def save(checkpoint: Checkpoint, network: Network, path: str | os.PathLike[str]) -> None:
    """See ``Quantized.save``."""
    write_file(path, safetensors.encode(checkpoint, network))


def divided(count: int) -> tuple[list[int], list[int]]:
    """The indices of ``count`` photos for the calibration, and of those kept apart."""
    apart = kept_apart(count)
    return evenly(rest_of(apart, count), CALIBRATED), evenly(apart, JUDGED)


def kept_apart(count: int) -> list[int]:
    """The indices of the photos that judge the result: every fourth of ``count``, at least one."""
    return list(range(_SPACING - 1, count, _SPACING)) or [count - 1]


def rest_of(indices: Sequence[int], count: int) -> list[int]:
    """The numbers from 0 to ``count`` - 1 that are not among the indices."""
    left_out = set(indices)
    return [index for index in range(count) if index not in left_out]


def steps(model: Pipeline, count: int) -> int:
    """How often `quantize` reports progress for ``count`` photos."""
    used, apart = divided(count)
    return len(used) + len(model.executor.network.convolutions) + len(apart)


def quantize(
    model: Classification,
    images: Sequence[Any],
    keep_weights: bool = False,
    advance: Callable[[], None] = lambda: None,
    report: Callable[[ImageError], None] | None = None,
) -> Quantized:
    """See ``Model.quantize``. ``advance`` is called `steps` times. ``report``: called for a photo
    that cannot be read, which is then left out; None: its error is raised."""
    check_count(images)
    if not model.num_classes:
        raise SqznetError("quantizing needs a network with a classifier, by which it is judged")
    model = in_floats(model)
    network = model.executor.network
    used, apart = divided(len(images))
    read = partial(readable, partial(gray_levels, model), advance=advance, report=report)
    checkpoint, calibrated = with_integers(
        model, read([images[index] for index in used]), keep_weights, advance
    )
    assert checkpoint.integers is not None
    planned = plan(network, checkpoint.integers)
    convs = integer_convs(planned, partial(weight, float_tensors(checkpoint)))
    expected, logits = [], []
    for levels in read([images[index] for index in apart]):
        expected.append(model.logits(normalized(model, levels))[0])
        logits.append(reference.forward(network, convs, planned, levels)[0])
    if not logits:
        raise SqznetError(NONE_APART)
    compared = compare(np.array(expected), np.array(logits))
    return Quantized(checkpoint, network, calibrated, len(logits), *compared)


def check_count(images: Sequence[Any]) -> None:
    """Raises SqznetError if there are too few photos to quantize with."""
    if len(images) < 2:
        raise SqznetError(
            f"quantizing needs photos to calibrate with and to judge by: found {len(images)}, "
            "expected 2 or more, better 80"
        )


def readable(
    read: Callable[[Any], Item],
    images: Iterable[Any],
    advance: Callable[[], None],
    report: Callable[[ImageError], None] | None,
) -> Iterator[Item]:
    """What ``read`` makes of each image that can be read. ``advance``, ``report``: see `quantize`;
    the first is called for each image."""
    for image in images:
        try:
            yield read(image)
        except ImageError as error:
            if report is None:
                raise
            report(error)
        advance()


def with_integers(
    model: Pipeline,
    photos: Iterable[npt.NDArray[np.uint8]],
    keep_weights: bool,
    advance: Callable[[], None],
) -> tuple[Checkpoint, int]:
    """The checkpoint of a network, computed in float32, with integers for its weights and
    activations; and the number of photos, gray levels, that they come from."""
    if model.preprocessing.standardize:
        raise SqznetError(
            "cannot be quantized: each photo is normalized by its own mean and deviation"
        )
    levels = list(photos)
    if not levels:
        raise SqznetError("none of the photos to calibrate with could be read")
    found = calibrated(model, float_tensors(model.checkpoint), levels, keep_weights, advance)
    return described(model, model.executor.network, found), len(levels)


def in_floats(model: Classification) -> Classification:
    """The same network computed in float32, with which integers are compared."""
    return model if model.precision == "float32" else with_weights(model, model.checkpoint)


def with_weights(model: Classification, checkpoint: Checkpoint) -> Classification:
    """A network like the model, of other weights, computed in float32."""
    return Classification(
        checkpoint,
        **model.asked,
        precision="float32",
        variant=model.variant,
        preprocessing=model.preprocessing,
        labels=model.labels,
        wiring=model.wiring,
    )


def calibrated(
    model: Pipeline,
    tensors: Any,
    photos: Sequence[npt.NDArray[np.uint8]],
    keep_weights: bool,
    advance: Callable[[], None] = lambda: None,
) -> Calibration:
    """The calibration of a model's network with these gray levels; see `Calibrator`."""
    executor, pre = model.executor, model.preprocessing
    calibrator = Calibrator(
        executor.network, tensors, executor.kernels, executor.pool, keep_weights, advance
    )
    return calibrator.calibrate(photos, pre.mean, pre.std)


def described(model: Pipeline, network: Network, found: Calibration) -> Checkpoint:
    """The model's checkpoint with the integers of a calibration."""
    pre, own = model.preprocessing, model.checkpoint
    others = {k: v for k, v in own.metadata.items() if not k.startswith(metadata.PREFIX)}
    text = integers_text(found.integers)
    stated = metadata.dump(network.variant, pre, own.labels, model.wiring, text)
    # Integers of the file's own would be read with the new scales.
    tensors = {name: tensor.floats() for name, tensor in own.tensors.items()}
    if found.weights is not None:
        planned = plan(network, found.integers)
        for name, integers in found.weights.items():
            tensors[f"{name}.weight"] = integer_tensor(planned, name, integers)
            bias = found.biases[name].astype("<f4")
            data = memoryview(bias.tobytes())
            tensors[f"{name}.bias"] = RawTensor("float32", bias.shape, data)
    return own._replace(
        tensors={name: tensors[name] for name in network.tensors()},
        format="safetensors",
        metadata={**others, **stated},
        variant=network.variant,
        preprocessing=pre,
        wiring=model.wiring,
        activations={},
        integers_text=text,
    )


def integer_tensor(planned: Plan, name: str, integers: npt.NDArray[np.int8]) -> RawTensor:
    """The tensor of a convolution's int8 weight with its scales."""
    conv = planned.convs[name]
    return RawTensor(
        "int8",
        integers.shape,
        memoryview(integers.tobytes()),
        little_endian(conv.weight_scales),
        little_endian(conv.input_scales),
    )


def gray_levels(model: Pipeline, image: Any) -> npt.NDArray[np.uint8]:
    """What the integer network reads of a photo: uint8 (1, H, W, 3)."""
    return levels_of(model.preprocess(image).transpose(0, 2, 3, 1), model.preprocessing)


def levels_of(x: Any, pre: Preprocessing) -> npt.NDArray[np.uint8]:
    """The gray levels of an input (1, H, W, 3) of the float network."""
    levels = np.rint(x * np.array(pre.std, np.float32) + np.array(pre.mean, np.float32))
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def normalized(model: Pipeline, levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The float network's input (1, 3, H, W) for these gray levels."""
    pre = model.preprocessing
    x = (levels - np.array(pre.mean, np.float32)) / np.array(pre.std, np.float32)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)


def float_tensors(checkpoint: Checkpoint) -> dict[str, Any]:
    """All tensors as float32 arrays."""
    return {name: tensor.array() for name, tensor in checkpoint.tensors.items()}


def weight(tensors: Mapping[str, Any], name: str) -> Any:
    """The weight of the convolution with this name."""
    return tensors[f"{name}.weight"]


def compare(expected: Any, found: Any) -> Comparison:
    """Compares logits (N, classes)."""
    agreement = (expected.argmax(axis=1) == found.argmax(axis=1)).mean()
    return Comparison(float(agreement), float(divergences(expected, found).mean()))


def divergences(expected: Any, found: Any) -> Any:
    """The Kullback-Leibler divergence of each photo's softmax from the expected, float64 (N,)."""
    p, q = log_softmax(expected), log_softmax(found)
    return (np.exp(p) * (p - q)).sum(axis=1)


def log_softmax(logits: Any) -> Any:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of them, evenly spread."""
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]
