"""A weights file's metadata in the entries that sqznet defines, one JSON text per entry.

"variant": the network's name, plain text; "preprocessing": the fields of `Preprocessing`;
"labels": a list of one name per class; "wiring": the fields of `Wiring`; "integers": see
`sqznet.quantization.description`; "detector": see `sqznet.weights.detectors`. Each may be omitted.
A safetensors file has them in its "__metadata__"; the other formats that `sqznet.convert` writes
have the same entries in a place of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqznet.errors import SqznetError, WeightsError, shown
from sqznet.images.preprocessing import PRESETS, Preprocessing
from sqznet.network.variants import ACTIVATIONS, MAX_PADDING, Wiring
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.reading import WeightsFile
from sqznet.weights.state import State
from sqznet.weights.strict_json import compact, parse_json

if TYPE_CHECKING:
    from sqznet.network.detector import AnyDesign

#: The entry that makes a file a detector.
DETECTOR = "detector"

#: The entries that sqznet defines; a file may have others.
KEYS = ("variant", "preprocessing", "labels", "wiring", "integers", DETECTOR)

#: The prefix of these keys in a format whose metadata are shared by all tools: ONNX.
PREFIX = "sqznet."

_STATED = "the file's metadata"


class Description:
    """The values of the entries in a file of this format, with torchvision's defaults for missing
    ones, and their reasons; see `Checkpoint` for the meanings.

    Raises WeightsError if an entry that sqznet defines is invalid.
    """

    def __init__(self, metadata: Mapping[str, str], format_name: str) -> None:
        default = f"the default for {format_name} files"
        wiring = _object(metadata, "wiring")
        self.variant = metadata.get("variant")
        self.preprocessing = _preprocessing(metadata)
        self.labels = _labels(metadata)
        self.wiring = _wiring(wiring)
        self.integers_text = metadata.get("integers")
        self.detector = _detector(metadata)
        self.reasons = {"preprocessing": default}
        self.reasons |= {name: _STATED if name in wiring else default for name in Wiring._fields}
        stated = ("variant", "preprocessing", "labels")
        self.reasons |= {name: _STATED for name in stated if name in metadata}


def checkpoint(
    file: WeightsFile,
    format_name: str,
    state: State,
    entries: Mapping[str, str],
    variant: str | None = None,
) -> Checkpoint:
    """The content of a file with this network and these entries.

    ``variant``: what the file states elsewhere, for use if the entries do not.
    Raises WeightsError like `Description`.
    """
    description = Description(entries, format_name)
    wiring, reasons = description.wiring, description.reasons
    if state.is_linear and reasons["conv10_relu"] != _STATED:
        wiring = wiring._replace(conv10_relu=False)
        reasons["conv10_relu"] = "its classifier is a linear layer, after the average"
    if state.variant is not None:
        reasons["variant"] = "the name of the file: its tensors do not show a bypass"
    return Checkpoint(
        path=file.name,
        format=format_name,
        tensors=state.tensors,
        metadata=entries,
        variant=description.variant or variant or state.variant,
        preprocessing=description.preprocessing,
        labels=description.labels,
        wiring=wiring,
        integers_text=description.integers_text,
        detector=description.detector,
        reasons=reasons,
        warnings=(state.left_out,) if state.left_out else (),
        choice=state.choice,
        own_names=state.own,
    )


def dump(
    variant: str,
    preprocessing: Preprocessing,
    labels: tuple[str, ...] | None,
    wiring: Wiring,
    integers_text: str | None = None,
) -> dict[str, str]:
    """The entries that `Description` turns back into these values; ASCII, with one spelling."""
    entries = {
        "variant": variant,
        "preprocessing": compact(preprocessing.to_dict()),
        "wiring": compact(wiring._asdict()),
    }
    if labels is not None:
        entries["labels"] = compact(labels)
    if integers_text is not None:
        entries["integers"] = integers_text
    return entries


def others(entries: Mapping[str, str]) -> dict[str, str]:
    """The entries that sqznet does not define."""
    return {
        key: text for key, text in entries.items() if key not in KEYS and not key.startswith(PREFIX)
    }


def as_strings(value: object, what: str) -> dict[str, str]:
    """The value itself if it maps strings to strings. Raises WeightsError with `what` otherwise."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise WeightsError(f"{what} must map strings to strings")
    return value


def _preprocessing(metadata: Mapping[str, str]) -> Preprocessing:
    if "preprocessing" not in metadata:
        return PRESETS["torchvision"]
    try:
        return Preprocessing.from_dict(_object(metadata, "preprocessing"))
    except WeightsError:
        raise
    except (SqznetError, TypeError, KeyError, OverflowError) as error:
        raise WeightsError(f'"preprocessing" in the metadata: {error}') from None


def _wiring(values: Mapping[str, Any]) -> Wiring:
    known = Wiring()._asdict()
    for name, value in values.items():
        if name not in known:
            raise WeightsError(
                f'"wiring" in the metadata: unknown field {shown(name)}, '
                f"expected {', '.join(known)}"
            )
        if name == "activation":
            if value is not None and value not in ACTIVATIONS:
                raise WeightsError(
                    f'"wiring" in the metadata: activation is {shown(value)}, '
                    f"expected one of {', '.join(ACTIVATIONS)}, or null"
                )
        elif type(value) is not type(known[name]):
            expected = "true or false" if isinstance(known[name], bool) else "an integer"
            raise WeightsError(
                f'"wiring" in the metadata: {name} is {shown(value)}, expected {expected}'
            )
        if type(value) is int and not 0 <= value <= MAX_PADDING:
            raise WeightsError(
                f'"wiring" in the metadata: {name} is {shown(value)}, expected 0 to {MAX_PADDING}'
            )
    return Wiring(**values)


def _labels(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    text = metadata.get("labels")
    if text is None:
        return None
    value = parse_json(_utf8(text, "labels"), "labels")
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise WeightsError('"labels" in the metadata is not a JSON list of strings')
    return tuple(value)


def _detector(metadata: Mapping[str, str]) -> AnyDesign | None:
    if DETECTOR not in metadata:
        return None
    from sqznet.weights import detectors  # takes time that a classifier does not need

    try:
        return detectors.from_json(_object(metadata, DETECTOR))
    except WeightsError as error:
        raise WeightsError(f'"{DETECTOR}" in the metadata: {error}') from None


def _object(metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    value = parse_json(_utf8(metadata.get(key, "{}"), key), key)
    if not isinstance(value, dict):
        raise WeightsError(f'"{key}" in the metadata is not a JSON object')
    return value


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # JSON can contain half of a surrogate pair
        raise WeightsError(f"{what}: not valid Unicode") from None
