"""Readers of weights files, one module per format; all return the same Checkpoint."""

from __future__ import annotations

import os

from sqznet.errors import SqznetError, WeightsError, printable, reason_of, shown
from sqznet.weights import safetensors
from sqznet.weights.checkpoint import Checkpoint, RawTensor, Source
from sqznet.weights.reading import WeightsFile, open_file, read_file

__all__ = [
    "BUNDLED_PATH",
    "DETECTOR_PATH",
    "Checkpoint",
    "RawTensor",
    "bundled",
    "imagenet_labels",
    "is_recognizer",
    "read",
]

_DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
BUNDLED_PATH = os.path.join(_DATA, "squeezenet1_1.safetensors")
DETECTOR_PATH = os.path.join(_DATA, "squeezenet1_1_detector.sqz")
_LABEL_COUNT = 1000

_REST = 1 << 20  # bytes beside the tensors that are not worth a copy

_KINDS = ".pth, .safetensors, .sqz, .npz, .onnx, .caffemodel, .h5, .keras, .param or .net"

_EXPECTED = f"Expected a weights file ({_KINDS})"

# In the order in which they are tried; imported on demand, since the bundled weights need none.
_READERS = ("npz", "keras", "torch", "ncnn", "deep_compression", "caffe", "onnx")

# The formats of the bundled weights, which are read without any other reader's module.
_BUNDLED = ("safetensors", "compressed")

# The formats whose files may hold several networks.
_WITH_PREFIXES = ("torch", "safetensors", "npz")


def read(path: str | os.PathLike[str], prefix: str | None = None) -> Checkpoint:
    """Reads a weights file in any of the supported formats.

    The content determines the format, not the name. Nothing in the file is ever executed. It is
    read as a whole, so what becomes of it afterwards changes nothing. A published file, recognized
    by its hash, gets the preprocessing that it was trained with.
    ``prefix``: the name of the network to take from a file that holds several, see
    `sqznet.weights.statedict`.
    Raises WeightsError, naming the file, for any fault.
    """
    file = open_file(path, prefix)
    name = file.name
    try:
        source = Source(path)
        checkpoint = _read_file(file)
        if prefix is not None and checkpoint.format not in _WITH_PREFIXES:
            raise WeightsError(
                f"is of the format {checkpoint.format}, which holds one network: prefix= is for "
                f"{', '.join(_WITH_PREFIXES)}"
            )
        if checkpoint.format not in _BUNDLED:  # no such file is known by its hash
            from sqznet.weights import known

            checkpoint = known.with_preset(checkpoint, file.view)
        checkpoint = _without_rest(checkpoint, file.view)
        return checkpoint if file.prefix else checkpoint._replace(source=source)
    except SqznetError as error:
        raise WeightsError(f"{name}: {error}") from None
    except ImportError as error:
        raise WeightsError(
            f"{name}: cannot be read because a module of this installation is missing or does not "
            f"start ({reason_of(error)}); the file itself may be sound"
        ) from error
    except Exception as error:  # no parser is certain to catch all hostile bytes
        raise WeightsError(
            f"{name}: damaged, or not a weights file: {printable(reason_of(error), 200)}"
        ) from error


def is_recognizer(path: str | os.PathLike[str]) -> bool:
    """Whether it is a file from `Recognizer.save`; False if it cannot be read."""
    try:
        return safetensors.is_recognizer(read_file(path, safetensors.START))
    except WeightsError:
        return False


def bundled() -> Checkpoint:
    """The bundled SqueezeNet 1.1: float16, with its labels."""
    return read(BUNDLED_PATH)


def imagenet_labels() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes, in ILSVRC-2012 order."""
    return _lines("imagenet_classes.txt")


def imagenet_synsets() -> tuple[str, ...]:
    """WordNet's numbers of the same classes, such as "n01440764"."""
    return _lines("imagenet_synsets.txt")


def _lines(name: str) -> tuple[str, ...]:
    path = os.path.join(_DATA, name)
    try:
        with open(path, encoding="utf-8") as file:
            lines = tuple(file.read().splitlines())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {reason_of(error)}") from None
    if len(lines) != _LABEL_COUNT:
        raise WeightsError(f"{path}: has {len(lines)} lines, expected {_LABEL_COUNT}")
    return lines


def _without_rest(checkpoint: Checkpoint, content: memoryview) -> Checkpoint:
    """Copies the tensors out of a file that holds mostly something else, such as an optimizer's
    state, so that its memory is freed."""
    tensors = checkpoint.tensors
    used = sum(tensor.data.nbytes for tensor in tensors.values())
    if content.nbytes - used <= max(used, _REST):
        return checkpoint
    return checkpoint._replace(tensors={name: tensors[name].copy() for name in tensors})


def _read_file(file: WeightsFile) -> Checkpoint:
    view = file.view
    if file.path.endswith(".bin"):  # ncnn's weights cannot be recognized by their content
        from sqznet.weights.ncnn import reader as ncnn

        if ncnn.is_half_of_a_pair(file):
            return ncnn.read(file)
    if safetensors.looks_like(view):
        return safetensors.read(file)
    from sqznet.weights import compressed

    if compressed.looks_like(view):
        return compressed.read(file)
    from importlib import import_module

    from sqznet.weights import foreign  # not needed for the bundled weights

    kind = foreign.kind_of(view)
    if kind is not None:
        raise WeightsError(f"{kind}. {_EXPECTED}")
    for name in _READERS:
        reader = import_module(f"sqznet.weights.{name}")
        if reader.looks_like(view):
            checkpoint: Checkpoint = reader.read(file)
            return checkpoint
    found = f"begins with {bytes(view[:16])!r}"
    if file.path.endswith(".bin"):
        found += _of_a_pair(file)
    raise WeightsError(f"{found}. {_EXPECTED}")


def _of_a_pair(file: WeightsFile) -> str:
    """What the files beside a .bin file, which says nothing of itself, tell of it."""
    name = os.path.basename(file.path).removesuffix(".bin") + ".xml"
    beside = file.beside(name)
    if beside is not None and b"<net " in bytes(beside.view[:400]):
        return (
            f"; it holds the weights of the OpenVINO IR {shown(name)} beside it. Take the file "
            "that was converted, or an ONNX file of the same network"
        )
    return ", and ncnn's .param file is not beside it"
