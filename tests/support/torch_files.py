"""Writes small valid or invalid .pth and .safetensors files by hand, without torch."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

FORMATS = {"FloatStorage": "f", "HalfStorage": "e", "DoubleStorage": "d", "LongStorage": "q"}

# A tensor to write: storage type, shape and values.
Spec = tuple[str, tuple[int, ...], Sequence[float]]

TENSORS: Mapping[str, Spec] = {
    "features.0.weight": ("FloatStorage", (2, 3), [0.5, -1.0, 2.0, 3.25, 4.0, -5.5]),
    "features.0.bias": ("FloatStorage", (2,), [1.0, 2.0]),
    "classifier.1.bias": ("HalfStorage", (3,), [1.0, -2.0, 0.125]),
}


class Raw:
    """Opcodes to insert into a pickle unchanged."""

    def __init__(self, opcodes: bytes) -> None:
        self.opcodes = opcodes


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def opcodes(value: Any) -> bytes:
    """The opcodes that push a value onto the stack."""
    if isinstance(value, Raw):
        return value.opcodes
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        data = value.to_bytes(16, "little", signed=True)
        return b"\x8a\x10" + data
    if isinstance(value, str):
        return text(value)
    if isinstance(value, tuple):
        return b"(" + b"".join(map(opcodes, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(opcodes, value)) + b"e"
    items = b"".join(opcodes(key) + opcodes(item) for key, item in value.items())
    return b"}(" + items + b"u"


def pickled(value: Any) -> bytes:
    return b"\x80\x02" + opcodes(value) + b"."


def name(module: str, attribute: str) -> Raw:
    return Raw(f"c{module}\n{attribute}\n".encode())


def call(module: str, attribute: str, *arguments: Any) -> Raw:
    return Raw(name(module, attribute).opcodes + opcodes(tuple(arguments)) + b"R")


def c_strides(shape: Sequence[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for dimension in reversed(shape):
        strides.append(step)
        step *= dimension
    return tuple(reversed(strides))


def tensor(
    storage: str,
    key: str,
    count: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...] | None = None,
    offset: int = 0,
    legacy: bool = False,
) -> Raw:
    """The pickle of a tensor that views the storage `key`."""
    identity: tuple[Any, ...] = ("storage", name("torch", storage), key, "cpu", count)
    if legacy:
        identity += (None,)
    view = Raw(opcodes(identity) + b"Q")
    strides = c_strides(shape) if strides is None else strides
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", view, offset, shape, strides, False, hooks)


def packed(storage: str, values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}{FORMATS[storage]}", *values)


def parts(
    specs: Mapping[str, Spec], legacy: bool = False
) -> tuple[dict[str, Raw], dict[str, tuple[int, bytes]]]:
    """A state_dict to pickle, and its storages: element count and bytes by key."""
    state, storages = {}, {}
    for index, (key, (storage, shape, values)) in enumerate(specs.items()):
        storages[str(index)] = (len(values), packed(storage, values))
        state[key] = tensor(storage, str(index), len(values), shape, legacy=legacy)
    return state, storages


def zip_file(
    content: Any,
    storages: Mapping[str, tuple[int, bytes]],
    folder: str = "net/",
    byteorder: bytes = b"little",
    extra: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        entries = {"data.pkl": pickled(content), "byteorder": byteorder}
        entries.update({f"data/{key}": data for key, (_, data) in storages.items()})
        for entry, data in {folder + key: data for key, data in entries.items()}.items():
            archive.writestr(entry, data)
        for entry, data in (extra or {}).items():
            archive.writestr(entry, data)
    return buffer.getvalue()


def legacy_file(
    content: Any,
    storages: Mapping[str, tuple[int, bytes]],
    magic: int = 0x1950A86A20F9469CFC6C,
    protocol: int = 1001,
    little: bool = True,
) -> bytes:
    machine = {"protocol_version": 1001, "little_endian": little}
    start = [magic, protocol, machine, content, list(storages)]
    body = [struct.pack("<q", count) + data for count, data in storages.values()]
    return b"".join(map(pickled, start)) + b"".join(body)


def small_zip() -> bytes:
    return zip_file(*parts(TENSORS))


def small_legacy() -> bytes:
    return legacy_file(*parts(TENSORS, legacy=True))


def safetensors_file(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file; `header` is an object to write as JSON, or the final bytes."""
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(data) if length is None else length
    return struct.pack("<Q", length) + data + body


def small_safetensors() -> bytes:
    names = {"FloatStorage": "F32", "HalfStorage": "F16"}
    header: dict[str, Any] = {"__metadata__": {"variant": "squeezenet1_1"}}
    body = b""
    for key, (storage, shape, values) in TENSORS.items():
        data = packed(storage, values)
        header[key] = {
            "dtype": names[storage],
            "shape": list(shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    return safetensors_file(header, body)


def specs(made: Mapping[str, Any], prefix: str = "") -> dict[str, Spec]:
    """Arrays of float32 as tensors to write."""
    return {
        prefix + key: ("FloatStorage", array.shape, array.ravel().tolist())
        for key, array in made.items()
    }


def network_file(made: Mapping[str, Any], wrap: Callable[[dict[str, Raw]], Any] = dict) -> bytes:
    """A .pth file of these arrays; `wrap` makes the pickled content of the state_dict."""
    state, storages = parts(specs(made))
    return zip_file(wrap(state), storages)
