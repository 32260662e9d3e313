"""The content of an HDF5 file, read by `child` in a second process and checked in this one."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeGuard

from sqznet.errors import WeightsError, printable, reason_of, shown
from sqznet.weights.checkpoint import FLOAT_SIZES, MAX_DIMENSIONS, RawTensor, element_count
from sqznet.weights.keras.child import READY, STARTED
from sqznet.weights.reading import WeightsFile
from sqznet.weights.strict_json import parse_json

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
_LENGTH_BYTES = 8
_PYTHONS = ("python", "pypy", "graalpy")
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

    Raises WeightsError if HDF5's library cannot read the file, or, saying so, if the installation
    has no h5py or no interpreter for it.
    """
    _require_h5py()
    return parse_answer(_run_child(os.path.abspath(file.path), file.view.nbytes))


def read_bytes(content: memoryview) -> Content:
    """The same for the bytes of an HDF5 file."""
    _require_h5py()
    return parse_answer(_run_child("-", content.nbytes, content))


def _require_h5py() -> None:
    if find_spec("h5py") is None:
        install = "build the program where it is installed" if _reentry() else "install it"
        raise WeightsError(f"is a Keras file (HDF5), which h5py reads; {install}: pip install h5py")


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


def _run_child(path: str, size: int, content: memoryview | None = None) -> bytes:
    import subprocess  # not needed by other formats, which are tried after this one
    import threading

    # A preloaded library may not support the limit on address space. Plug-ins that HDF5 would load
    # because a file names them are turned off.
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"} | {
        "HDF5_PLUGIN_PRELOAD": "::",
        "HDF5_USE_FILE_LOCKING": "FALSE",
        "OPENBLAS_NUM_THREADS": "1",
    }
    folders = json.dumps([os.path.abspath(folder) for folder in sys.path])
    limit = size + _MAX_HEADER
    command = [*(_reentry() or (interpreter(), "-I", _SCRIPT)), path, folders]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if content is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError as error:
        raise _not_started(command[0], reason_of(error)) from None
    with process:
        timer = threading.Timer(_SECONDS, process.kill)
        timer.start()
        try:
            if process.stdin is not None and content is not None:
                # A process that ends early has said why, or its status does.
                with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                    stdin.write(content)
            assert process.stdout is not None
            answer = process.stdout.read(limit + 1)
        finally:
            timer.cancel()
            process.kill()
    return _checked(answer, limit, command[0], process.returncode)


def _checked(answer: bytes, limit: int, python: str, status: int) -> bytes:
    """The answer after the marks of the process's progress."""
    if not answer.startswith(STARTED):
        raise _not_started(python, f"it ended with status {status}")
    ready = answer.removeprefix(STARTED)
    if not ready.startswith(READY):
        reason = printable(ready.decode("utf-8", "replace"), 200) or f"status {status}"
        again = f"Install it anew: {printable(python)} -m pip install --force-reinstall h5py"
        raise WeightsError(
            f"is a Keras file (HDF5), but the h5py of this installation does not start ({reason}); "
            f"the file itself may be sound. {'Build the program anew' if _reentry() else again}"
        )
    found = ready.removeprefix(READY)
    if not found or len(found) > limit:
        raise WeightsError(f"damaged: HDF5's library failed to read it (exit code {status})")
    return found


def _reentry() -> tuple[str, ...] | None:
    """What starts a program that PyInstaller built as the child, see `sqznet._pyinstaller`."""
    found: tuple[str, ...] | None = getattr(sys, "sqznet_child", None)
    return found


def interpreter() -> str:
    """The path of a Python interpreter of this installation.

    sys.executable is another program where Python is embedded (uWSGI, mod_wsgi) or frozen by
    another tool than PyInstaller. Raises WeightsError, which says so, if there is no interpreter.
    """
    name = os.path.basename(sys.executable or "").lower()
    if name.startswith(_PYTHONS) and not getattr(sys, "frozen", False):
        return sys.executable
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    names, suffix = (f"python{version}", "python3", "python"), ".exe" if os.name == "nt" else ""
    for prefix in dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix)):
        for folder in ("bin", "Scripts", ""):  # the last two on Windows
            for candidate in names:
                path = os.path.join(prefix, folder, candidate + suffix)
                if os.access(path, os.X_OK) and os.path.isfile(path):
                    return path
    raise WeightsError(
        "is a Keras file (HDF5), which a Python interpreter of its own must read, and this program "
        f"has none: sys.executable is {shown(sys.executable)}. The file itself may be sound. "
        "Convert it where Python is installed: sqznet convert FILE weights.safetensors"
    )


def _not_started(python: str, reason: str) -> WeightsError:
    return WeightsError(
        "is a Keras file (HDF5), which a Python interpreter of its own must read, and "
        f"{shown(python)} did not start as one ({reason}). The file itself may be sound; convert "
        "it where Python works: sqznet convert FILE weights.safetensors"
    )
