"""The content of an HDF5 file, read by `child` in a second process and checked in this one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeGuard

from sqznet.errors import WeightsError, printable, reason_of
from sqznet.weights.checkpoint import FLOAT_SIZES, MAX_DIMENSIONS, RawTensor, element_count
from sqznet.weights.mapped import WeightsFile
from sqznet.weights.metadata import parse_json

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
_LENGTH_BYTES = 8
_MAX_HEADER = 8 << 20

# The child stops by itself after a second of work; this limit is for a machine that starts slowly.
_SECONDS = 60


@dataclass(frozen=True)
class Content:
    """What the child found. attributes: by group, then by name; tensors: by path, with None for
    element types other than float."""

    attributes: Mapping[str, Mapping[str, str | list[str]]]
    tensors: Mapping[str, RawTensor | None]


def read(file: WeightsFile) -> Content:
    """The file's tensors and attributes.

    Raises WeightsError if h5py is not installed or HDF5's library cannot read the file.
    """
    if find_spec("h5py") is None:
        raise WeightsError(
            "is an HDF5 file (Keras), which h5py reads; install it: pip install sqznet[keras]"
        )
    return parse_answer(_run_child(file.path, file.view.nbytes))


def parse_answer(answer: bytes) -> Content:
    """Checks every part of the child's answer, which hostile bytes may have corrupted."""
    length = int.from_bytes(answer[:_LENGTH_BYTES], "little")
    header = parse_json(answer[_LENGTH_BYTES : _LENGTH_BYTES + length], "the HDF5 file's content")
    if not isinstance(header, dict):
        raise WeightsError("damaged: its content could not be listed")
    if isinstance(error := header.get("error"), str):
        raise WeightsError(printable(error, 300))
    attributes, tensors = header.get("attributes"), header.get("tensors")
    if not _is_attributes(attributes) or not isinstance(tensors, list):
        raise WeightsError("damaged: its content could not be listed")
    found: dict[str, RawTensor | None] = {}
    view = memoryview(answer)[_LENGTH_BYTES + length :]
    for entry in tensors:
        if not _is_tensor(entry):
            raise WeightsError("damaged: one of its tensors could not be listed")
        path, dtype, shape = entry
        found[path] = None
        if dtype in FLOAT_SIZES:
            size = element_count(tuple(shape)) * FLOAT_SIZES[dtype]
            found[path] = RawTensor(dtype, tuple(shape), view[:size])
            view = view[size:]
    return Content(attributes, found)


def _is_attributes(value: object) -> TypeGuard[dict[str, dict[str, str | list[str]]]]:
    return isinstance(value, dict) and all(
        isinstance(group, dict)
        and all(
            isinstance(item, str)
            or (isinstance(item, list) and all(isinstance(text, str) for text in item))
            for item in group.values()
        )
        for group in value.values()
    )


def _is_tensor(entry: object) -> TypeGuard[tuple[str, str, list[int]]]:
    return (
        isinstance(entry, list)
        and [type(part) for part in entry] == [str, str, list]
        and len(entry[2]) <= MAX_DIMENSIONS
        and all(type(side) is int and side >= 0 for side in entry[2])
    )


def _run_child(path: str, size: int) -> bytes:
    import subprocess  # not needed by other formats, which are tried after this one
    import threading

    if not sys.executable or getattr(sys, "frozen", False):
        raise WeightsError("is an HDF5 file, which needs a separate Python interpreter to be read")
    # A preloaded library may not support the limit on address space. Plug-ins that HDF5 would load
    # because a file names them are turned off.
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"} | {
        "HDF5_PLUGIN_PRELOAD": "::",
        "HDF5_USE_FILE_LOCKING": "FALSE",
        "OPENBLAS_NUM_THREADS": "1",
    }
    folders = json.dumps([os.path.abspath(folder) for folder in sys.path])
    limit = size + _MAX_HEADER
    command = [sys.executable, "-I", _SCRIPT, os.path.abspath(path), folders]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError as error:
        raise WeightsError(
            f"is an HDF5 file, and no process to read it could be started: {reason_of(error)}"
        ) from None
    with process:
        timer = threading.Timer(_SECONDS, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            answer = process.stdout.read(limit + 1)
        finally:
            timer.cancel()
            process.kill()
    if not answer or len(answer) > limit:
        raise WeightsError(
            f"damaged: HDF5's library failed to read it (exit code {process.returncode})"
        )
    return answer
