"""The file of a recognizer, usually named `.sqz`: a safetensors file, so it holds no code.

Metadata: "_kind": "sqznet recognizer"; "version": "1"; "mirror": "true", "false" or "auto";
"backbone": a JSON object with "file" and "sha256"; and "variant", "preprocessing", "wiring" and
"labels" as in `sqznet.weights.metadata`. Tensors: the arrays of `Examples`: "codes" I8 (N, LENGTH),
"classes" and "images" I32 (N,), "mirrored" BOOL (N,).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sqznet.errors import WeightsError, shown
from sqznet.learning.backbone import Backbone
from sqznet.learning.examples import Examples
from sqznet.learning.features import LENGTH
from sqznet.learning.learner import MAX_ROWS
from sqznet.weights import metadata, safetensors
from sqznet.weights.strict_json import compact, parse_json
from sqznet.weights.writers.safetensors import pack

VERSION = "1"

_MIRROR: Mapping[str, bool | None] = {"auto": None, "true": True, "false": False}
_KINDS: Mapping[str, tuple[str, type[np.generic]]] = {
    "codes": ("I8", np.int8),
    "classes": ("I32", np.int32),
    "images": ("I32", np.int32),
    "mirrored": ("BOOL", np.bool_),
}


def encode(examples: Examples, mirror: bool | None, backbone: Backbone) -> bytes:
    """The bytes of the file; equal examples give equal bytes."""
    described = metadata.dump(
        backbone.variant, backbone.preprocessing, examples.labels, backbone.wiring
    )
    entries = {
        **described,
        "_kind": safetensors.RECOGNIZER,
        "version": VERSION,
        "mirror": next(name for name, value in _MIRROR.items() if value is mirror),
        "backbone": compact({"file": backbone.file, "sha256": backbone.sha256}),
    }
    # Wider elements come first, so that each array begins at a multiple of its element size.
    arrays = {name: getattr(examples, name) for name in ("classes", "images", "codes", "mirrored")}
    return pack(
        entries,
        (
            (name, _KINDS[name][0], array.shape, array.astype(_stored(name)).tobytes())
            for name, array in arrays.items()
        ),
    )


def decode(view: memoryview) -> tuple[Examples, bool | None, Backbone]:
    """The arguments of `encode`. Raises WeightsError (without the path) for any other bytes."""
    if not safetensors.is_recognizer(view):
        raise WeightsError(
            f"begins with {bytes(view[:16])!r}; expected a file that Recognizer.save wrote"
        )
    entries, header, body = safetensors.parse(view)
    if (version := entries.get("version")) != VERSION:
        raise WeightsError(
            f"is a recognizer of version {shown(version)}, expected {VERSION!r}; "
            "a newer sqznet may have written it"
        )
    mirror = entries.get("mirror", "")
    if mirror not in _MIRROR:
        raise WeightsError(f'"mirror" is {shown(mirror)}, expected one of {", ".join(_MIRROR)}')
    backbone = _backbone(entries)
    labels = metadata.Description(entries, "recognizer").labels
    if labels is None:
        raise WeightsError('"labels" is missing in the metadata')
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, dtype, shape, data in safetensors.entries(header, body):
        if name not in _KINDS or dtype != _KINDS[name][0]:
            expected = ", ".join(f"{name} {kind}" for name, (kind, _) in _KINDS.items())
            raise WeightsError(f"holds {shown(name)} of type {dtype}, expected {expected}")
        if dtype == "BOOL" and bytes(data).strip(b"\x00\x01"):
            raise WeightsError(f"{name} holds bytes other than 0 and 1")
        stored = np.frombuffer(data, _stored(name)).reshape(shape)
        arrays[name] = stored.astype(_KINDS[name][1])
    if missing := [name for name in _KINDS if name not in arrays]:
        raise WeightsError(f"{', '.join(missing)} missing, expected {', '.join(_KINDS)}")
    examples = Examples(labels, **arrays)
    _check(examples)
    if mirror == "false" and examples.mirrored.any():
        raise WeightsError('holds mirror images, but "mirror" is false')
    return examples, _MIRROR[mirror], backbone


def _backbone(entries: Mapping[str, str]) -> Backbone:
    description = metadata.Description(entries, "recognizer")
    for name in ("backbone", "variant", "preprocessing", "wiring"):
        if name not in entries:
            raise WeightsError(f'"{name}" is missing in the metadata')
    named = parse_json(entries["backbone"].encode("utf-8", "replace"), "backbone")
    named = named if isinstance(named, dict) else {}
    file, sha256 = named.get("file"), named.get("sha256")
    if not isinstance(file, str) or not isinstance(sha256, str):
        raise WeightsError('"backbone" in the metadata: expected a file and its sha256')
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise WeightsError(f'"backbone" in the metadata: {shown(sha256)} is not a SHA-256')
    return Backbone(file, sha256, entries["variant"], description.preprocessing, description.wiring)


def _check(examples: Examples) -> None:
    """Raises WeightsError unless these are examples that a learner can have stored."""
    rows = len(examples.codes)
    shapes = {"codes": (rows, LENGTH)} | dict.fromkeys(("classes", "images", "mirrored"), (rows,))
    for name, shape in shapes.items():
        if (found := getattr(examples, name).shape) != shape:
            raise WeightsError(f"{name} has shape {found}, expected {shape}")
    if not 1 <= rows <= MAX_ROWS:
        raise WeightsError(f"holds {rows} rows, expected 1 to {MAX_ROWS}")
    labels = examples.labels
    if not all(labels) or len(set(labels)) != len(labels):
        raise WeightsError("a label is empty or appears twice")
    if set(examples.classes.tolist()) != set(range(len(labels))):
        raise WeightsError(f"the classes of the rows do not match the {len(labels)} labels")
    if examples.codes.min() < -127:
        raise WeightsError("codes holds -128, expected -127 to 127")
    plain, mirrored = examples.only(~examples.mirrored), examples.only(examples.mirrored)
    pictures = dict(zip(plain.images.tolist(), plain.classes.tolist(), strict=True))
    twins = dict(zip(mirrored.images.tolist(), mirrored.classes.tolist(), strict=True))
    once = len(pictures) == len(plain) and len(twins) == len(mirrored)
    if not once or min(pictures, default=-1) < 0 or (twins and twins != pictures):
        raise WeightsError("expected one row for each image, or two with its mirror image")


def _stored(name: str) -> np.dtype[Any]:
    """The element type of an array in the file, which is little-endian on every machine."""
    kind: np.dtype[Any] = np.dtype(_KINDS[name][1]).newbyteorder("<")
    return kind
