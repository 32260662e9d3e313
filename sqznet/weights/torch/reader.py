"""Reads a state_dict saved by torch.save, without torch and without executing anything in it.

There are two formats. Since torch 1.6, a zip archive without compression: NAME/data.pkl,
NAME/data/KEY for each storage, NAME/byteorder. Before that, and still on request, a sequence:
pickles of a magic number, of 1001, of a description of the machine, of the object itself and of the
storages' keys in order, then for each storage its element count (64-bit little-endian) and its
elements.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from sqznet.errors import WeightsError, shown
from sqznet.weights import archive, foreign, metadata
from sqznet.weights.checkpoint import FLOAT_SIZES, Checkpoint, RawTensor
from sqznet.weights.reading import WeightsFile
from sqznet.weights.reparametrized import finished
from sqznet.weights.state import Other, Parameter
from sqznet.weights.statedict import find
from sqznet.weights.strict_json import parse_json
from sqznet.weights.torch.entries import entries as list_entries
from sqznet.weights.torch.machine import Placeholder
from sqznet.weights.torch.objects import (
    MASK_TYPES,
    Storage,
    Tensor,
    copied_bytes,
    find_global,
    raw_tensor,
    storage_from_id,
)
from sqznet.weights.torch.unpickle import load

_PICKLE_MAGIC = b"\x80"
_LEGACY_NUMBER = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

#: The entry that sqznet adds for metadata, and torch ignores: JSON that maps strings to strings.
METADATA_ENTRY = "extra/sqznet.json"
_MAX_METADATA = 4 << 20

_ADVICE = "expected a file made by torch.save(model.state_dict(), path)"

FindStorage = Callable[[Storage], memoryview]


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like one of the two formats."""
    return bytes(view[:4]) == archive.ZIP_MAGIC or bytes(view[:1]) == _PICKLE_MAGIC


def read(file: WeightsFile) -> Checkpoint:
    """Reads a .pth file.

    Only files from sqznet state their preprocessing; all others get torchvision's.
    Raises WeightsError (without the path) if the file is invalid.
    """
    view = file.view
    entries: Mapping[str, str] = {}
    if bytes(view[:4]) == archive.ZIP_MAGIC:
        content, find_storage, entries = _open_zip(view)
    else:
        content, find_storage = _open_legacy(view)
    listed = list_entries(content)
    _require_tensors(content, listed)
    tensors = _Tensors(listed, find_storage, view.nbytes)
    state = find(listed, tensors.finished, file.prefix, file.name)
    return metadata.checkpoint(file, "torch", state, entries, _variant(content))


def _require_tensors(content: object, listed: Mapping[str, object]) -> None:
    if any(isinstance(value, Tensor) for value in listed.values()):
        return
    modules = [value.name for value in listed.values() if isinstance(value, Placeholder)]
    if isinstance(content, Placeholder):
        raise WeightsError(
            f"it holds a whole model, an object of the class {shown(content.name)[1:-1]}, as "
            "torch.save(model, path) writes it; nothing was run. Load it with torch.load and save "
            "its weights with torch.save(model.state_dict(), path)"
        )
    found = shown(content)
    if isinstance(content, dict):
        found = f"a dictionary of {len(content)} entries, none a tensor"
    if modules:
        found += f", among them an object of the class {shown(modules[0])[1:-1]}"
    raise WeightsError(f"it holds {found}; {_ADVICE}")


def _variant(content: object) -> str | None:
    """The value of "arch" that a training script stored, if it is a SqueezeNet."""
    arch = content.get("arch") if isinstance(content, dict) else None
    return arch if isinstance(arch, str) and arch.startswith("squeezenet") else None


class _Tensors:
    """The tensors of a file by their paths; copies of strided ones stay below `budget` bytes."""

    def __init__(
        self, listed: Mapping[str, object], find_storage: FindStorage, budget: int
    ) -> None:
        self._listed = listed
        self._find_storage = find_storage
        self._budget = budget

    def finished(self, parameter: Parameter) -> RawTensor:
        stored = {
            name: self._stored(name, role == "mask") for role, name in parameter.roles.items()
        }
        return finished(stored, parameter)

    def _stored(self, name: str, is_mask: bool) -> RawTensor | Other:
        tensor = self._listed[name]
        if not isinstance(tensor, Tensor):
            what = tensor.name if isinstance(tensor, Placeholder) else shown(tensor)
            return Other(f"is {what}, expected a tensor", ())
        if tensor.storage.dtype not in (MASK_TYPES if is_mask else FLOAT_SIZES):
            expected = f"expected one of {', '.join(FLOAT_SIZES)}"
            return Other(f"has element type {tensor.storage.dtype}, {expected}", tensor.shape)
        if not tensor.is_contiguous:
            self._budget -= copied_bytes(tensor)
            if self._budget < 0:
                raise WeightsError("its tensors share storages in a way that no state_dict does")
        return raw_tensor(tensor, self._find_storage(tensor.storage))


def _open_zip(view: memoryview) -> tuple[object, FindStorage, dict[str, str]]:
    by_name = archive.entries(view)
    folder = _folder(by_name)

    def data(name: str, limit: int) -> memoryview:
        entry = by_name[folder + name]
        if entry.size > limit:
            raise WeightsError(f"its {name} has {entry.size} bytes, expected {limit} at most")
        return archive.stored(view, entry, _ADVICE)

    if folder + "byteorder" in by_name and bytes(data("byteorder", 16)) != b"little":
        raise WeightsError("it was saved on a big-endian machine; expected little-endian")
    content, _ = load(data("data.pkl", view.nbytes), 0, find_global, storage_from_id)
    entries: dict[str, str] = {}
    if folder + METADATA_ENTRY in by_name:
        text = bytes(data(METADATA_ENTRY, _MAX_METADATA))
        entries = metadata.as_strings(parse_json(text, METADATA_ENTRY), METADATA_ENTRY)

    checked: dict[str, memoryview] = {}

    def find_storage(storage: Storage) -> memoryview:
        if storage.key not in checked:
            entry = by_name.get(f"{folder}data/{storage.key}")
            if entry is None:
                raise WeightsError(f"its archive has no storage {shown(storage.key)}")
            checked[storage.key] = archive.stored(view, entry, _ADVICE)
        return _sized(storage, checked[storage.key])

    return content, find_storage, entries


def _folder(names: Collection[str]) -> str:
    """The only folder in the archive, with a slash; everything is in it."""
    folders = {name.split("/", 1)[0] + "/" for name in names}
    if len(folders) != 1 or folders.copy().pop() + "data.pkl" not in names:
        raise WeightsError(
            foreign.kind_of_archive(names) or f"a zip archive without a data.pkl; {_ADVICE}"
        )
    folder = folders.pop()
    if folder + "constants.pkl" in names:
        raise WeightsError(
            "a TorchScript archive, which is a program; "
            "load it with torch.jit.load and save its state_dict() with torch.save"
        )
    return folder


def _open_legacy(view: memoryview) -> tuple[object, FindStorage]:
    number, position = load(view, 0, find_global, storage_from_id)
    if number != _LEGACY_NUMBER:
        raise WeightsError(foreign.kind_of_pickle(view))
    protocol, position = load(view, position, find_global, storage_from_id)
    if protocol != _LEGACY_PROTOCOL:
        raise WeightsError(
            f"its protocol version is {shown(protocol)}, expected {_LEGACY_PROTOCOL}"
        )
    machine, position = load(view, position, find_global, storage_from_id)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise WeightsError("it was saved on a big-endian machine; expected little-endian")

    counts: dict[str, Storage] = {}

    def note(identity: object) -> Storage | Placeholder:
        storage = storage_from_id(identity)
        if isinstance(storage, Placeholder):
            return storage
        if counts.setdefault(storage.key, storage) != storage:
            raise WeightsError(f"its pickle describes storage {shown(storage.key)} in two ways")
        return storage

    content, position = load(view, position, find_global, note)
    keys, position = load(view, position, find_global, storage_from_id)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise WeightsError("its list of storage keys is not a list of strings")

    places: dict[str, memoryview] = {}
    for key in keys:
        if key not in counts or key in places:
            raise WeightsError(f"its list of storage keys has an unexpected {shown(key)}")
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
        raise WeightsError(f"{view.nbytes - position} bytes at the end are unexpected")

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
