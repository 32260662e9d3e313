"""Converts a weights file to another format."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqznet import weights
from sqznet.errors import SqznetError, WeightsError, reason_of
from sqznet.files.part_file import is_same_file, write_file
from sqznet.network.detector import num_classes
from sqznet.weights import metadata, writers
from sqznet.weights.checkpoint import Checkpoint, element_count
from sqznet.weights.integers import integers_text
from sqznet.weights.labels import for_network
from sqznet.weights.locate import locate
from sqznet.weights.reading import shown_path

_OF_DETECTORS = ("safetensors", "onnx")

_NOT_ROUNDED = "unlike its source, it does not round activations; its answers differ a little"
_NOT_BY_ITSELF = (
    "unlike its source, it rounds activations only if it is loaded with the precision int8; "
    "otherwise its answers differ a little"
)


@dataclass(frozen=True)
class Converted:
    """The result of `convert`.

    path: the file; format: "safetensors", "npz", "torch" or "onnx"; variant: such as
    "squeezenet1_1"; parameters: their number in its tensors; nbytes: the file's size;
    warnings: what was lost.
    """

    path: str
    format: str
    variant: str
    parameters: int
    nbytes: int
    warnings: tuple[str, ...] = ()


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Converted:
    """Converts one weights file to another.

    ``source``: anything that `sqznet.load` accepts.
    ``target``: the file to write; its suffix determines the format: ``.safetensors``, ``.npz``,
    ``.pth`` or ``.pt`` (a state dict for torch) or ``.onnx``. An existing file is replaced when the
    new one is complete, and is unchanged if anything fails. A detector becomes ``.safetensors``, or
    ``.onnx`` for other engines, with the outputs before decoding.

    Every tensor keeps its precision (bfloat16 becomes float32 in an .npz file, without loss).
    Variant, preprocessing, labels, padding and pooling are kept, and so are all other metadata of
    the source. The output of an ONNX file is logits, so it has no softmax; a network that
    `sqznet quantize` made becomes one of 8-bit integers, unless it has a bypass or pads its input.
    The rounding of activations in another int8 file is lost, with a warning, unless the result is
    loaded with the precision int8; its weights are kept exactly.

    Raises WeightsError if the source cannot be read or the target cannot be written, and
    SqznetError if the target has another suffix or is the source itself.
    """
    name = shown_path(target)
    format_name = _format(name)
    path = locate(source)
    if is_same_file(path, target):
        raise SqznetError(f"{name} is the file to convert; expected another name for the result")
    checkpoint = weights.read(path)
    network = checkpoint.network()
    if checkpoint.detector is not None and format_name not in _OF_DETECTORS:
        raise SqznetError(
            f"{name}: {checkpoint.path} is a detector, which only .safetensors and .onnx can hold"
        )
    if not network.heads and format_name == "onnx":
        raise WeightsError(f"{checkpoint.path}: has no classifier, which an ONNX file needs")
    try:
        network.shapes(*checkpoint.preprocessing.size)
    except SqznetError as error:
        raise WeightsError(f"{checkpoint.path}: {error}") from None
    labels = checkpoint.labels
    if labels is not None:
        design = checkpoint.detector
        classes = network.num_classes if design is None else num_classes(network, design)
        labels = for_network(None, labels, classes, checkpoint.path)
    integers = checkpoint.integers
    stated = metadata.dump(
        network.variant,
        checkpoint.preprocessing,
        labels,
        checkpoint.wiring,
        None if integers is None else integers_text(integers),
    )
    others = {
        key: text
        for key, text in checkpoint.metadata.items()
        if not key.startswith(metadata.PREFIX)
    }
    tensors = {
        # Only these have a place for the scales of such integers.
        key: tensor
        if tensor.input_scales is not None and format_name in ("safetensors", "onnx")
        else tensor.floats()
        for key, tensor in checkpoint.tensors.items()
    }
    complete = checkpoint._replace(tensors=tensors, metadata={**others, **stated})
    content = writers.encode(format_name, complete, network)
    try:
        write_file(target, content)
    except OSError as error:
        raise WeightsError(f"{name}: cannot be written: {reason_of(error)}") from None
    except ValueError as error:  # a zero byte in the name
        raise WeightsError(f"{name}: cannot be written: {error}") from None
    return Converted(
        path=name,
        format=format_name,
        variant=network.variant,
        parameters=sum(element_count(tensor.shape) for tensor in checkpoint.tensors.values()),
        nbytes=len(content),
        warnings=_warnings(checkpoint),
    )


def _warnings(checkpoint: Checkpoint) -> tuple[str, ...]:
    if not checkpoint.activations:
        return ()
    return (_NOT_ROUNDED,) if checkpoint.integers_text is None else (_NOT_BY_ITSELF,)


def _format(name: str) -> str:
    ending = os.path.splitext(name)[1]
    try:
        return writers.FORMATS[ending.lower()]
    except KeyError:
        found = f"ends in {ending}" if ending else "has no suffix"
        raise SqznetError(
            f"{name} {found}, so its format is not known; "
            f"expected one of {', '.join(writers.FORMATS)}"
        ) from None
