"""Reads what torch.save writes of a state_dict, without torch and without running anything in it.

Two formats. Since torch 1.6 a zip archive, nothing in it compressed: NAME/data.pkl, NAME/data/KEY
for each storage, NAME/byteorder. Before that, and still on request, a sequence: pickles of a magic
number, of 1001, of a description of the machine, of the object itself and of the storages' keys in
order, then for each storage its number of elements (64-bit little-endian) and its elements.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import IO, Any, cast

from sqznet.errors import WeightsError
from sqznet.preprocessing import PRESETS
from sqznet.weights.checkpoint import Checkpoint, RawTensor, is_ignored, plain_names, shown
from sqznet.weights.mapped import WeightsFile
from sqznet.weights.torch_objects import (
    Storage,
    Tensor,
    copied_bytes,
    find_global,
    raw_tensor,
    storage_from_id,
)
from sqznet.weights.unpickle import MAX_PICKLE, load

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_MAGIC = b"\x80"
_LEGACY_NUMBER = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

_LOCAL_HEADER = 30  # bytes of a zip entry's own header before its name and its extra field
_MAX_ENTRIES = 10_000

# Where training scripts put the state_dict beside other things.
_NESTED_KEYS = ("state_dict", "model_state_dict", "model")
_ADVICE = "expected a file made by torch.save(model.state_dict(), path)"

FindStorage = Callable[[Storage], memoryview]


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin as one of the two formats does."""
    return bytes(view[:4]) == _ZIP_MAGIC or bytes(view[:1]) == _PICKLE_MAGIC


def read(file: WeightsFile) -> Checkpoint:
    """Read a .pth file.

    The file says nothing of preprocessing or labels, so it gets torchvision's preprocessing.
    Raises WeightsError (without the path) if anything in the file is not as it should be.
    """
    view = file.view
    if bytes(view[:4]) == _ZIP_MAGIC:
        content, find_storage = _open_zip(view)
    else:
        content, find_storage = _open_legacy(view)
    state = _state_dict(content)
    tensors = _raw_tensors(state, find_storage, view.nbytes)
    return Checkpoint(
        path=file.name,
        format="torch",
        tensors=plain_names(tensors),
        metadata={},
        variant=_variant(content),
        preprocessing=PRESETS["torchvision"],
        labels=None,
    )


def _state_dict(content: object) -> Mapping[str, Any]:
    """The dictionary that holds the tensors: the object itself, or one that it holds."""
    if isinstance(content, dict):
        for candidate in (*map(content.get, _NESTED_KEYS), content):
            if isinstance(candidate, dict) and any(
                isinstance(value, Tensor) for value in candidate.values()
            ):
                return candidate
        found = f"a dictionary of {len(content)} entries, none a tensor"
    else:
        found = shown(content)
    raise WeightsError(f"it holds {found}; {_ADVICE}")


def _variant(content: object) -> str | None:
    """What a training script noted as "arch" beside the state_dict, if it is a SqueezeNet."""
    arch = content.get("arch") if isinstance(content, dict) else None
    return arch if isinstance(arch, str) and arch.startswith("squeezenet") else None


def _raw_tensors(
    state: Mapping[str, Any], find_storage: FindStorage, budget: int
) -> dict[str, RawTensor]:
    """The state_dict's tensors; copies, where strides demand them, stay below `budget` bytes."""
    tensors: dict[str, RawTensor] = {}
    for name, tensor in state.items():
        if not isinstance(name, str):
            raise WeightsError(f"the state_dict has a key {shown(name)}, expected a string")
        if is_ignored(name):
            continue
        if not isinstance(tensor, Tensor):
            raise WeightsError(f"entry {shown(name)} is {shown(tensor)}, expected a tensor")
        if not tensor.is_contiguous:
            budget -= copied_bytes(tensor)
            if budget < 0:
                raise WeightsError("its tensors share storages in a way no state_dict does")
        tensors[name] = raw_tensor(name, tensor, find_storage(tensor.storage))
    return tensors


def _open_zip(view: memoryview) -> tuple[object, FindStorage]:
    try:
        # A mapping reads and seeks as a file does.
        with zipfile.ZipFile(cast("IO[bytes]", view.obj)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
        raise WeightsError(f"a damaged zip archive, or one cut short ({error})") from None
    by_name = _checked_entries(entries)
    folder = _folder(by_name)

    pickled = by_name[folder + "data.pkl"]
    if pickled.file_size > MAX_PICKLE:
        raise WeightsError(f"its data.pkl has {pickled.file_size} bytes, expected {MAX_PICKLE}")
    order = by_name.get(folder + "byteorder")
    if order is not None and bytes(_entry_data(view, order)[:16]) != b"little":
        raise WeightsError("it was saved on a big-endian machine; expected little-endian")
    content, _ = load(_entry_data(view, pickled), 0, find_global, storage_from_id)

    checked: dict[str, memoryview] = {}

    def find_storage(storage: Storage) -> memoryview:
        if storage.key not in checked:
            entry = by_name.get(f"{folder}data/{storage.key}")
            if entry is None:
                raise WeightsError(f"its archive has no storage {shown(storage.key)}")
            checked[storage.key] = _entry_data(view, entry)
        return _sized(storage, checked[storage.key])

    return content, find_storage


def _checked_entries(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    if len(entries) > _MAX_ENTRIES:
        raise WeightsError(f"its archive has {len(entries)} entries, too many for a SqueezeNet")
    by_name: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.filename
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise WeightsError(f"its archive has an entry {shown(name)} that leads outside it")
        if name in by_name:
            raise WeightsError(f"its archive has the entry {shown(name)} twice")
        by_name[name] = entry
    return by_name


def _folder(names: Mapping[str, zipfile.ZipInfo]) -> str:
    """The one folder that everything in the archive is in, with its slash."""
    folders = {name.split("/", 1)[0] + "/" for name in names}
    if len(folders) != 1 or folders.copy().pop() + "data.pkl" not in names:
        raise WeightsError(f"a zip archive without a data.pkl; {_ADVICE}")
    folder = folders.pop()
    if folder + "constants.pkl" in names:
        raise WeightsError(
            "a TorchScript archive, which is a program; "
            "load it with torch.jit.load and save its state_dict() with torch.save"
        )
    return folder


def _entry_data(view: memoryview, entry: zipfile.ZipInfo) -> memoryview:
    """An entry's bytes within the mapping, once they match its checksum."""
    name = shown(entry.filename)
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise WeightsError(f"its entry {name} is compressed or encrypted; {_ADVICE}")
    header = view[entry.header_offset : entry.header_offset + _LOCAL_HEADER]
    if header.nbytes < _LOCAL_HEADER or bytes(header[:4]) != _ZIP_MAGIC:
        raise WeightsError(f"its entry {name} is not where the archive's index says")
    begin = (
        entry.header_offset
        + _LOCAL_HEADER
        + int.from_bytes(header[26:28], "little")  # of the name
        + int.from_bytes(header[28:30], "little")  # of the extra field
    )
    data = view[begin : begin + entry.file_size]
    if data.nbytes != entry.file_size or entry.compress_size != entry.file_size:
        raise WeightsError(
            f"its entry {name} should have {entry.file_size} bytes, found {data.nbytes}"
        )
    # Zero stands for none: torch.serialization.set_crc32_options(False) leaves them out.
    if entry.CRC and zlib.crc32(data) != entry.CRC:
        raise WeightsError(f"its entry {name} is damaged: the checksum does not match")
    return data


def _open_legacy(view: memoryview) -> tuple[object, FindStorage]:
    number, position = load(view, 0, find_global, storage_from_id)
    if number != _LEGACY_NUMBER:
        raise WeightsError(f"a pickle that torch.save did not write; {_ADVICE}")
    protocol, position = load(view, position, find_global, storage_from_id)
    if protocol != _LEGACY_PROTOCOL:
        raise WeightsError(
            f"its protocol version is {shown(protocol)}, expected {_LEGACY_PROTOCOL}"
        )
    machine, position = load(view, position, find_global, storage_from_id)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise WeightsError("it was saved on a big-endian machine; expected little-endian")

    counts: dict[str, Storage] = {}

    def note(identity: object) -> Storage:
        storage = storage_from_id(identity)
        if counts.setdefault(storage.key, storage) != storage:
            raise WeightsError(f"its pickle describes storage {shown(storage.key)} in two ways")
        return storage

    content, position = load(view, position, find_global, note)
    keys, position = load(view, position, find_global, storage_from_id)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise WeightsError("its list of storage keys is no list of strings")

    places: dict[str, memoryview] = {}
    for key in keys:
        if key not in counts or key in places:
            raise WeightsError(f"its list of storage keys has {shown(key)} without need")
        nbytes = counts[key].nbytes
        head = view[position : position + 8]
        data = view[position + 8 : position + 8 + nbytes]
        if head.nbytes < 8 or data.nbytes < nbytes:
            raise WeightsError(f"storage {shown(key)} should have {nbytes} bytes: file cut short")
        if int.from_bytes(head, "little") != counts[key].count:
            raise WeightsError(
                f"storage {shown(key)} begins with {int.from_bytes(head, 'little')} "
                f"as its number of elements, expected {counts[key].count}"
            )
        places[key] = data
        position += 8 + nbytes
    if position != view.nbytes:
        raise WeightsError(f"{view.nbytes - position} bytes at the end belong to nothing")

    def find_storage(storage: Storage) -> memoryview:
        if storage.key not in places:
            raise WeightsError(f"its list of storage keys lacks {shown(storage.key)}")
        return _sized(storage, places[storage.key])

    return content, find_storage


def _sized(storage: Storage, data: memoryview) -> memoryview:
    if data.nbytes != storage.nbytes:
        raise WeightsError(
            f"storage {shown(storage.key)} has {data.nbytes} bytes, "
            f"expected {storage.count} {storage.dtype} elements"
        )
    return data
