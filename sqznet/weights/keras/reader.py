"""Reads Keras's files: only weights or a whole model, from Keras 2 or 3, as HDF5 or as an archive.

A .keras archive is a zip file with config.json (the model), metadata.json (Keras's version) and
model.weights.h5 (keras/src/saving/saving_lib.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqznet.errors import WeightsError
from sqznet.images.preprocessing import PRESETS
from sqznet.network.variants import Wiring
from sqznet.weights import archive, squeezedet
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.keras import config as keras_config
from sqznet.weights.keras import content as keras_content
from sqznet.weights.keras import layers as keras_layers
from sqznet.weights.keras.content import Content
from sqznet.weights.kernels import oihw
from sqznet.weights.naming import variant_of
from sqznet.weights.reading import MAX_BYTES, WeightsFile
from sqznet.weights.strict_json import parse_json

_DEFAULT = "the default for keras files"
_CONFIG = "the file's model_config"
_WIRED = ("conv1_padding", "conv10_padding", "ceil_mode", "softmax")


_ARCHIVED_CONFIG, _ARCHIVED_METADATA = "config.json", "metadata.json"
_ARCHIVED_WEIGHTS = "model.weights.h5"
_ARCHIVED = (_ARCHIVED_CONFIG, _ARCHIVED_METADATA, _ARCHIVED_WEIGHTS)

# Keras compresses nothing; weights of which nine tenths are zero shrink to a fifth.
_MAX_GROWTH = 10

# The config of a SqueezeNet has 54 kB.
_MAX_CONFIG = 4 << 20


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like an HDF5 file or a .keras archive."""
    is_archive = archive.first_name(view).decode("ascii", "replace") in _ARCHIVED
    return is_archive or bytes(view[:4]) == b"\x89HDF"


def read(file: WeightsFile) -> Checkpoint:
    """Reads a Keras file in a second process, which takes a few tenths of a second.

    What the file does not state (a weights file states nothing) is as in keras-squeezenet: pools
    that drop a clipped window, no padding, a softmax, the preset "keras".
    Raises WeightsError (without the path) if the file is invalid, and if h5py is not installed or
    no interpreter can be started.
    """
    if archive.first_name(file.view):
        return interpret(file.name, _archived(file.view))
    return interpret(file.name, keras_content.read(file))


def _archived(view: memoryview) -> Content:
    """The content of a .keras archive as that of an HDF5 file of a whole model."""
    entries = archive.entries(view)
    missing = [name for name in _ARCHIVED if name not in entries]
    if missing:
        raise WeightsError(f"is a zip archive like Keras's, without its {missing[0]}")

    def read(name: str, limit: int) -> memoryview:
        entry = entries[name]
        if entry.size > limit:
            raise WeightsError(f"its {name} has {entry.size} bytes, expected {limit} at most")
        return archive.content(view, entry, limit)

    config = bytes(read(_ARCHIVED_CONFIG, _MAX_CONFIG)).decode("utf-8", "replace")
    metadata = parse_json(bytes(read(_ARCHIVED_METADATA, _MAX_CONFIG)), _ARCHIVED_METADATA)
    limit = min(MAX_BYTES, _MAX_GROWTH * view.nbytes)
    content = keras_content.read_bytes(read(_ARCHIVED_WEIGHTS, limit))
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    stated: dict[str, str | list[str]] = {"model_config": config}
    if isinstance(version, str):
        stated["keras_version"] = version
    root = {**content.attributes.get("", {}), **stated}
    return Content({**content.attributes, "": root}, content.tensors)


def interpret(name: str, content: Content) -> Checkpoint:
    """The checkpoint from a file with this content; raises WeightsError if it is not a network."""
    root = keras_layers.root(content)
    convolutions = keras_layers.convolutions(content)
    if squeezedet.is_one(conv.names[0] for conv in convolutions[1:]):
        return squeezedet.checkpoint(
            name, "keras", _of_squeezedet(convolutions), squeezedet.KERAS, _metadata(content, root)
        )
    base = keras_layers.base(convolutions)
    named = keras_layers.named(convolutions, base)
    variant = variant_of(base, named)
    wiring, preprocessing = Wiring(ceil_mode=False, softmax=True), PRESETS["keras"]
    reasons = {
        **dict.fromkeys((*_WIRED, "preprocessing"), _DEFAULT),
        "variant": "the file's kernels",
    }
    if isinstance(text := content.attributes.get("", {}).get("model_config"), str):
        config = keras_config.parse(text, base, len(convolutions))
        wiring = config.wiring
        reasons |= dict.fromkeys((*_WIRED, "variant", "conv10_relu"), _CONFIG)
        if wiring.activation:
            reasons["activation"] = _CONFIG
        if config.size is not None:
            preprocessing = preprocessing._replace(size=config.size)
            reasons["preprocessing"] += f", at the size in {_CONFIG}"
        if config.rescaling is not None:
            factor, addend = config.rescaling
            preprocessing = preprocessing._replace(
                channel_order="rgb", mean=(-addend / factor,) * 3, std=(1 / factor,) * 3
            )
            reasons["preprocessing"] = f"the Rescaling in {_CONFIG}"
        if config.simple_bypass:
            variant = f"{base}_simple_bypass"
    return Checkpoint(
        path=name,
        format="keras",
        tensors=_oihw(named),
        metadata=_metadata(content, root),
        variant=variant,
        preprocessing=preprocessing,
        labels=None,
        wiring=wiring,
        reasons=reasons,
    )


def _of_squeezedet(
    convolutions: Sequence[keras_layers.Convolution],
) -> dict[str, squeezedet.Convolution]:
    """By the names of the layers, of which the program leaves out the first."""
    first, *others = convolutions
    named = {conv.names[0]: conv for conv in others}
    return {
        name: squeezedet.Convolution(conv.kernel, conv.bias)
        for name, conv in {"conv1": first, **named}.items()
    }


def _metadata(content: Content, root: str) -> dict[str, str]:
    stated = {**content.attributes.get(root, {}), **content.attributes.get("", {})}
    return {
        key: value
        for key in ("keras_version", "backend")
        if isinstance(value := stated.get(key), str)
    }


def _oihw(named: Mapping[str, keras_layers.Convolution]) -> dict[str, RawTensor]:
    """Kernels transposed from height x width x inputs x outputs; all data are copies."""
    tensors = {}
    for name, conv in named.items():
        tensors[f"{name}.weight"] = oihw(conv.kernel)
        tensors[f"{name}.bias"] = conv.bias.copy()
    return tensors
