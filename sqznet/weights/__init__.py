"""Readers of weights files, one module a format; each returns the same Checkpoint."""

from __future__ import annotations

import os

from sqznet.errors import SqznetError, WeightsError
from sqznet.weights import safetensors
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.mapped import WeightsFile, open_file

__all__ = ["Checkpoint", "RawTensor", "bundled", "imagenet_labels", "read"]

_DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
_LABEL_COUNT = 1000

# Files that people hand to a loader and that begin in a way of their own.
_OTHER_KINDS = (
    (b"\x89HDF", "an HDF5 file (Keras?)"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG", "a PNG image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7767517", "an ncnn description"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"<", "a web page or XML (a download that failed?)"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to"),
)


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a weights file: safetensors, or torch.save's zip or legacy format.

    The content decides which it is, not the name. The file is mapped, not copied; nothing in it is
    ever executed. It should not be overwritten in place while the Checkpoint is in use.
    Raises WeightsError, naming the file, whatever is wrong with it.
    """
    file = open_file(path)
    name = file.name
    try:
        return _read_file(file)
    except SqznetError as error:
        raise WeightsError(f"{name}: {error}") from None
    except Exception as error:  # hostile bytes may find a gap in any parser
        raise WeightsError(
            f"{name}: damaged, or not a weights file ({type(error).__name__} while reading it)"
        ) from error


def bundled() -> Checkpoint:
    """The SqueezeNet 1.1 that comes with the package: float16, with its labels, mapped."""
    return read(os.path.join(_DATA, "squeezenet1_1.safetensors"))


def imagenet_labels() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes, in ILSVRC-2012 order."""
    path = os.path.join(_DATA, "imagenet_classes.txt")
    try:
        with open(path, encoding="utf-8") as file:
            labels = tuple(file.read().splitlines())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(labels) != _LABEL_COUNT:
        raise WeightsError(f"{path}: has {len(labels)} lines, expected {_LABEL_COUNT}")
    return labels


def _read_file(file: WeightsFile) -> Checkpoint:
    view = file.view
    if safetensors.looks_like(view):
        return safetensors.read(file)
    from sqznet.weights import torch  # brings zipfile along, which the bundled weights do without

    if torch.looks_like(view):
        return torch.read(file)
    start = bytes(view[:32])
    kind = next((kind for magic, kind in _OTHER_KINDS if start.startswith(magic)), None)
    found = f"is {kind}" if kind else f"begins with {start[:16]!r}"
    raise WeightsError(f"{found}; expected a .safetensors or .pth weights file")
