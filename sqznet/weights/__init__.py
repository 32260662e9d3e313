"""Readers of weights files, one module per format; all return the same Checkpoint."""

from __future__ import annotations

import os
from importlib import import_module

from sqznet.errors import SqznetError, WeightsError, reason_of
from sqznet.weights import safetensors
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.mapped import WeightsFile, open_file

__all__ = [
    "BUNDLED_PATH",
    "Checkpoint",
    "RawTensor",
    "bundled",
    "imagenet_labels",
    "is_recognizer",
    "read",
]

_DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
BUNDLED_PATH = os.path.join(_DATA, "squeezenet1_1.safetensors")
_LABEL_COUNT = 1000

_KINDS = ".pth, .safetensors, .npz, .onnx, .caffemodel, .h5, .param or .net"

# In the order in which they are tried; imported on demand, since the bundled weights need none.
_READERS = ("npz", "torch", "keras", "ncnn", "deep_compression", "caffe", "onnx")

# The formats whose files may hold several networks.
_WITH_PREFIXES = ("torch", "safetensors", "npz")

# Files that users pass by mistake and that can be recognized by their start.
_OTHER_KINDS = (
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG", "a PNG image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"<", "a web page or XML (a download that failed?)"),
    (b"name:", "text like a .prototxt, which describes a network without its weights"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to"),
)


def read(path: str | os.PathLike[str], prefix: str | None = None) -> Checkpoint:
    """Reads a weights file in any of the supported formats.

    The content determines the format, not the name. The file is mapped, not copied; nothing in it
    is ever executed. It should not be written to while the Checkpoint is in use, see
    ``Checkpoint.require_unchanged``. A published file, recognized by its hash, gets the
    preprocessing that it was trained with.
    ``prefix``: the name of the network to take from a file that holds several, see
    `sqznet.weights.statedict`.
    Raises WeightsError, naming the file, for any fault.
    """
    file = open_file(path)._replace(prefix=prefix)
    name = file.name
    try:
        checkpoint = _read_file(file)
        if prefix is not None and checkpoint.format not in _WITH_PREFIXES:
            raise WeightsError(
                f"is of the format {checkpoint.format}, which holds one network: prefix= is for "
                f"{', '.join(_WITH_PREFIXES)}"
            )
        if checkpoint.format == "safetensors":  # no such file is known by its hash
            return checkpoint
        from sqznet.weights import known

        return known.with_preset(checkpoint, file.view)
    except SqznetError as error:
        raise WeightsError(f"{name}: {error}") from None
    except Exception as error:  # no parser is certain to catch all hostile bytes
        raise WeightsError(
            f"{name}: damaged, or not a weights file ({type(error).__name__} while reading it)"
        ) from error


def is_recognizer(path: str | os.PathLike[str]) -> bool:
    """Whether it is a file from `Recognizer.save`; False if it cannot be read."""
    try:
        return safetensors.is_recognizer(open_file(path).view)
    except WeightsError:
        return False


def bundled() -> Checkpoint:
    """The bundled SqueezeNet 1.1: float16, with its labels, mapped."""
    return read(BUNDLED_PATH)


def imagenet_labels() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes, in ILSVRC-2012 order."""
    path = os.path.join(_DATA, "imagenet_classes.txt")
    try:
        with open(path, encoding="utf-8") as file:
            labels = tuple(file.read().splitlines())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {reason_of(error)}") from None
    if len(labels) != _LABEL_COUNT:
        raise WeightsError(f"{path}: has {len(labels)} lines, expected {_LABEL_COUNT}")
    return labels


def _read_file(file: WeightsFile) -> Checkpoint:
    view = file.view
    if file.path.endswith(".bin"):  # ncnn's weights cannot be recognized by their content
        from sqznet.weights.ncnn import reader as ncnn

        if ncnn.is_half_of_a_pair(file):
            return ncnn.read(file)
    if safetensors.looks_like(view):
        return safetensors.read(file)
    for name in _READERS:
        reader = import_module(f"sqznet.weights.{name}")
        if reader.looks_like(view):
            checkpoint: Checkpoint = reader.read(file)
            return checkpoint
    start = bytes(view[:32])
    kind = next((kind for magic, kind in _OTHER_KINDS if start.startswith(magic)), None)
    found = f"is {kind}" if kind else f"begins with {start[:16]!r}"
    if file.path.endswith(".bin"):
        found += ", and ncnn's .param file is not beside it"
    raise WeightsError(f"{found}; expected a weights file ({_KINDS})")
