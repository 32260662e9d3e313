"""Writes a network into a weights file of another format."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqznet import weights
from sqznet.errors import SqznetError, WeightsError, reason_of
from sqznet.files.part_file import is_same_file, write_file
from sqznet.weights import metadata, writers
from sqznet.weights.checkpoint import element_count
from sqznet.weights.labels import for_network
from sqznet.weights.locate import locate
from sqznet.weights.mapped import shown_path

_NOT_ROUNDED = "unlike its source it rounds no activations; its answers differ a little"


@dataclass(frozen=True)
class Converted:
    """What `convert` wrote.

    path: the file; format: "safetensors", "npz", "torch" or "onnx"; variant: such as
    "squeezenet1_1"; parameters: how many numbers its tensors have; nbytes: the file's size;
    warnings: what of the source it cannot hold.
    """

    path: str
    format: str
    variant: str
    parameters: int
    nbytes: int
    warnings: tuple[str, ...] = ()


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Converted:
    """Write the network of one weights file into another.

    ``source``: whatever `sqznet.load` takes.
    ``target``: the file to write; the ending of its name says the format: ``.safetensors``,
    ``.npz``, ``.pth`` or ``.pt`` (a state dict for torch) or ``.onnx``. A file of that name is
    replaced at once when the new one is complete, and stays as it is if anything goes wrong.

    Every tensor keeps its precision (bfloat16 becomes float32 in an .npz file, without loss).
    Variant, preprocessing, labels, padding and pooling go along, and so does whatever else the
    source says of itself. An ONNX file's output are logits, so that it has no softmax. How an int8
    file rounds its activations is left out, and a warning says so: its weights go along, exactly.

    Raises WeightsError if the source cannot be read or the target cannot be written, and
    SqznetError if the target's ending is none of these or it is the source itself.
    """
    name = shown_path(target)
    format_name = _format(name)
    path = locate(source)
    if is_same_file(path, target):
        raise SqznetError(f"{name} is the file to be converted; expected another name to write to")
    checkpoint = weights.read(path)
    network = checkpoint.network()
    if network.num_classes == 0 and format_name == "onnx":
        raise WeightsError(f"{checkpoint.path}: has no classifier, which an ONNX file ends in")
    try:
        network.shapes(*checkpoint.preprocessing.size)
    except SqznetError as error:
        raise WeightsError(f"{checkpoint.path}: {error}") from None
    labels = checkpoint.labels
    if labels is not None:
        labels = for_network(None, labels, network.num_classes, checkpoint.path)
    stated = metadata.dump(network.variant, checkpoint.preprocessing, labels, checkpoint.wiring)
    others = {
        key: text
        for key, text in checkpoint.metadata.items()
        if not key.startswith(metadata.PREFIX)
    }
    tensors = {key: tensor.floats() for key, tensor in checkpoint.tensors.items()}
    complete = checkpoint._replace(tensors=tensors, metadata={**others, **stated})
    content = writers.encode(format_name, complete, network)
    checkpoint.require_unchanged()
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
        warnings=(_NOT_ROUNDED,) if checkpoint.activations else (),
    )


def _format(name: str) -> str:
    ending = os.path.splitext(name)[1]
    try:
        return writers.FORMATS[ending.lower()]
    except KeyError:
        found = f"ends in {ending}" if ending else "has no ending"
        raise SqznetError(
            f"{name} {found}, so its format is not known; "
            f"expected one of {', '.join(writers.FORMATS)}"
        ) from None
