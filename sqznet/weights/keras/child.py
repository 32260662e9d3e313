"""Reads an HDF5 file in a separate process: hostile bytes can crash or stall HDF5's library.

`sqznet.weights.keras` runs this file as a script, so that nothing else of sqznet is imported; a
program that PyInstaller built starts itself instead and calls `main`. The arguments are the path of
the HDF5 file, or "-" for one on stdin, and, as JSON, the folders to import from. `STARTED` is
written to stdout first, and `READY` once h5py has been imported, so that the caller can tell a
fault of the installation from one of the file. The answer follows: the length of a JSON text as an
unsigned 64-bit little-endian integer, that text, then the bytes of the float tensors that it lists,
in order. The text is {"error": message} or
{"attributes": {group: {name: text or list of texts}}, "tensors": [[path, dtype, shape], ...]};
tensors of other element types are listed without bytes.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any

STARTED, READY = b"sqznet:started\n", b"sqznet:ready\n"

# The attributes with Keras's version, the order of the layers, and the weights and name of a layer.
_ATTRIBUTES = (
    "layer_names",
    "weight_names",
    "name",
    "model_config",
    "keras_version",
    "backend",
)

# What training leaves beside the weights; it may be larger than the weights.
_SKIPPED = ("optimizer_weights", "optimizer")

_MAX_OBJECTS = 5000
_MAX_TEXTS = 1000

# The size of a SqueezeNet with thirty thousand classes in float32.
_MAX_BYTES = 64 << 20

# Address space in addition to a few times the file's size; the libraries' code takes part of it.
_ADDRESS_SPACE = 2 << 30

# A valid file takes a hundredth of this; a damaged one may send the library into an endless loop.
_CPU_SECONDS = 1.2


class RefusedError(Exception):
    """The file is readable, but its content is not that of a Keras SqueezeNet."""


def describe(source: Any, size: int) -> tuple[dict[str, Any], list[bytes]]:
    """The answer's JSON object and the tensors' bytes: little-endian, in C order.

    source: the path of a file of `size` bytes, or a binary file object.
    Raises RefusedError, or whatever h5py raises for damage.
    """
    import h5py

    attributes: dict[str, dict[str, Any]] = {}
    tensors: list[tuple[str, str, tuple[int, ...]]] = []
    chunks: list[bytes] = []
    seen = set()
    left = min(size, _MAX_BYTES)
    with h5py.File(source, "r") as file:
        waiting = [("", file["/"])]
        while waiting:
            name, item = waiting.pop()
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:  # a group can contain itself
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                attributes[name] = _attributes(item)
                waiting += _children(name, item, _MAX_OBJECTS - len(seen) - len(waiting))
            elif isinstance(item, h5py.Dataset):
                dtype = _float_type(item)
                tensors.append((name, dtype or str(item.dtype)[:40], item.shape or ()))
                if dtype:
                    chunks.append(_bytes(name, item, left))
                    left -= len(chunks[-1])
    return {"attributes": attributes, "tensors": tensors}, chunks


def _children(name: str, group: Any, limit: int) -> list[tuple[str, Any]]:
    import h5py

    found: list[tuple[str, Any]] = []
    for key in group:
        if len(found) >= limit:
            raise RefusedError("it has too many objects for a SqueezeNet")
        # A soft or external link may point anywhere, even to another file.
        if key not in _SKIPPED and isinstance(group.get(key, getlink=True), h5py.HardLink):
            found.append((f"{name}/{key}" if name else key, group[key]))
    return found


def _attributes(group: Any) -> dict[str, Any]:
    import h5py

    found: dict[str, Any] = {}
    for key in _ATTRIBUTES:
        if key in group.attrs:
            value = group.attrs[key]
            if isinstance(value, h5py.Empty):
                found[key] = []
            elif getattr(value, "ndim", 0) == 0:
                found[key] = _text(value)
            elif value.size <= _MAX_TEXTS:
                found[key] = [_text(item) for item in value.flat]
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _float_type(item: Any) -> str | None:
    kind, size = item.dtype.kind, item.dtype.itemsize
    if kind == "f" and size in (2, 4, 8):
        return f"float{8 * size}"
    # Keras stores bfloat16 as two opaque bytes.
    if size == 2 and item.attrs.get("dtype") == "bfloat16":
        return "bfloat16"
    return None


def _bytes(name: str, item: Any, left: int) -> bytes:
    if item.is_virtual or item.external:
        raise RefusedError(f"the data of {name[:60]!a} are in another file")
    if item.id.get_create_plist().get_nfilters():
        raise RefusedError(
            f"{name[:60]!a} is compressed, expected plain numbers "
            "(h5repack -f NONE IN OUT writes them)"
        )
    size = item.dtype.itemsize
    for side in item.shape or ():
        size *= side
    if size > left or len(item.shape or ()) > 8:
        raise RefusedError(f"{name[:60]!a} has shape {str(item.shape)[:60]}, more than the file")
    if size > item.id.get_storage_size():
        raise RefusedError(f"{name[:60]!a} has shape {str(item.shape)[:60]}, but no data for it")
    values = item[()]
    if item.dtype.kind == "f":
        values = values.astype(item.dtype.newbyteorder("<"), copy=False)
    return bytes(values.tobytes())


def limit_resources(size: int) -> None:
    """Ends this process soon if the file of `size` bytes is hostile, to protect the machine."""
    try:
        import resource
        import signal
    except ImportError:  # Windows; the caller's time limit remains
        return
    limit = _ADDRESS_SPACE + 4 * size
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or hard > limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_PROF, _CPU_SECONDS)


def answer(source: Any, size: int) -> list[bytes]:
    """The answer for a file; never raises."""
    chunks: list[bytes] = []
    try:
        found, chunks = describe(source, size)
    except RefusedError as error:
        found = {"error": str(error)}
    except Exception as error:
        found = {"error": f"damaged: HDF5 cannot read it ({_reason(error)})"}
    return [*_text_of(found), *chunks]


def main(path: str, folders: str) -> None:
    """Answers for one file; imports h5py from where the caller would."""
    _write(STARTED)
    sys.path[:] = json.loads(folders)
    source: Any = path
    if path == "-":
        content = sys.stdin.buffer.read()
        source, size = io.BytesIO(content), len(content)
    else:
        size = os.path.getsize(path)
    try:
        import h5py  # noqa: F401 - before the time limit starts
    except Exception as error:
        _write(_reason(error).encode())
        return
    _write(READY)
    limit_resources(size)
    _write(*answer(source, size))


def _write(*chunks: bytes) -> None:
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
    sys.stdout.flush()


def _text_of(found: dict[str, Any]) -> list[bytes]:
    text = json.dumps(found).encode()
    return [len(text).to_bytes(8, "little"), text]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"


if __name__ == "__main__":
    main(*sys.argv[1:])
