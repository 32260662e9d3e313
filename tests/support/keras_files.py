"""Keras files of small SqueezeNets, written with h5py in the layout of Keras."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.network.variants import TOPOLOGIES
from sqznet.weights import Checkpoint
from sqznet.weights.keras import child as keras_child
from sqznet.weights.keras import content as keras_content
from sqznet.weights.keras import reader as keras

Array = Any
Layers = list[tuple[str, Array, Array]]

_PARTS = {
    "squeeze": "squeeze1x1",
    "expand1x1": "expand1x1",
    "expand3x3": "expand3x3",
    "bypass": "bypass",
}


_WEIGHTS = ("kernel", "bias")


def caffe_name(name: str, base: str) -> str:
    """The name in keras-squeezenet of the layer that torchvision calls `name`."""
    if name == "features.0":
        return "conv1"
    if name == "classifier.1":
        return "conv10"
    _, position, part = name.split(".")
    return f"fire{TOPOLOGIES[base].fires.index(int(position)) + 2}/{_PARTS[part]}"


def layers(made: Mapping[str, Array], base: str, top: bool = True, separator: str = "/") -> Layers:
    """Name, kernel (HWIO) and bias of each convolution, in the network's order."""
    found = []
    for key, weight in made.items():
        name = key.removesuffix(".weight")
        if name != key and (top or name != "classifier.1"):
            title = caffe_name(name, base).replace("/", separator)
            found.append((title, weight.transpose(2, 3, 1, 0), made[f"{name}.bias"]))
    return found


def automatic(given: Layers, prefix: str = "conv2d") -> Layers:
    """The same layers with the names that Keras generates."""
    return [
        (f"{prefix}_{i}" if i else prefix, kernel, bias)
        for i, (_, kernel, bias) in enumerate(given)
    ]


def layer_names_file(path: Path, given: Layers, config: object = None, **options: Any) -> Path:
    """A weights file of Keras 2; with a config, a file of a whole model."""
    import h5py

    with h5py.File(path, "w", **options) as file:
        root = file if config is None else file.create_group("model_weights")
        if config is not None:
            text = config if isinstance(config, str) else json.dumps(config)
            file.attrs["model_config"] = text.encode()
            file.create_dataset("optimizer_weights/adam/iteration:0", data=np.int64(3))
        root.attrs["backend"] = b"tensorflow"
        root.attrs["keras_version"] = b"2.0.8"
        names = ["input_1", *(name for name, _, _ in given), "drop9"]
        root.attrs["layer_names"] = [name.encode() for name in names]
        for name in ("input_1", "drop9"):  # no weights: an empty list, which has no text type
            root.create_group(name).attrs["weight_names"] = []
        for name, kernel, bias in given:
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{part}:0".encode() for part in _WEIGHTS]
            for part, values in zip(_WEIGHTS, (kernel, bias), strict=True):
                group.create_dataset(f"{name}/{part}:0", data=values)
    return path


def vars_file(
    path: Path, given: Layers, stated: Sequence[str] = (), parent: str = "layers", **options: Any
) -> Path:
    """A .weights.h5 of Keras 3; `stated`: the layers' own names, which newer versions store."""
    import h5py

    with h5py.File(path, "w", **options) as file:
        for i, (name, kernel, bias) in enumerate(given):
            group = file.create_group(f"{parent}/{name}/vars")
            if stated:
                group.attrs["name"] = stated[i]
            for number, values in enumerate((kernel, bias)):
                group.create_dataset(str(number), data=values)
        seeds = file.create_group("layers/dropout/seed_generator/vars")
        seeds.create_dataset("0", data=np.array([1, 2], np.uint32))
    return path


def model_config(
    base: str = "squeezenet1_1",
    size: int | None = 67,
    padding: str = "valid",
    pool_padding: str = "valid",
    additions: int = 0,
    separate_relu: bool = True,
) -> dict[str, Any]:
    """The relevant part of `Model.to_json()` of a SqueezeNet."""
    found: list[dict[str, Any]] = []

    def layer(kind: str, **config: Any) -> None:
        config["name"] = f"layer_{len(found)}"
        found.append({"class_name": kind, "config": config, "name": config["name"]})

    def conv(side: int, stride: int, padding: str) -> None:
        activation = "linear" if separate_relu else "relu"
        layer(
            "Conv2D",
            kernel_size=[side, side],
            strides=[stride, stride],
            padding=padding,
            activation=activation,
        )
        if separate_relu:
            layer("Activation", activation="relu")

    topology = TOPOLOGIES[base]
    layer("InputLayer", batch_input_shape=[None, size, size, 3])
    conv(topology.kernel, 2, padding)
    for position in sorted(topology.fires + topology.pools):
        if position in topology.pools:
            layer("MaxPooling2D", pool_size=[3, 3], strides=[2, 2], padding=pool_padding)
            continue
        for side in (1, 1, 3):
            conv(side, 1, "same" if side == 3 else "valid")
        layer("Concatenate", axis=-1)
        if topology.fires.index(position) % 2 and additions:
            layer("Add")
    layer("Dropout", rate=0.5)
    conv(1, 1, "valid")
    layer("GlobalAveragePooling2D")
    layer("Activation", activation="softmax")
    return {"class_name": "Model", "config": {"name": "squeezenet", "layers": found}}


# --- Reading them ----------------------------------------------------------------------------


def assert_holds(found: Checkpoint, made: dict[str, Array]) -> None:
    assert set(found.tensors) == set(made)
    for name, array in made.items():
        assert found.tensors[name].shape == array.shape, name
        assert bytes(found.tensors[name].data) == array.tobytes(), name


def read_here(path: Path) -> Checkpoint:
    """Like `weights.read`, but without a second process, which takes time to start."""
    answer = b"".join(keras_child.answer(str(path), path.stat().st_size))
    return keras.interpret(str(path), keras_content.parse_answer(answer))


def refused_here(path: Path, match: str) -> None:
    with pytest.raises(WeightsError, match=match) as caught:
        read_here(path)
    assert len(str(caught.value)) < 600
    return str(caught.value)


def refused(path: Path, match: str) -> str:
    with pytest.raises(WeightsError, match=match) as caught:
        weights.read(path)
    assert str(path) in str(caught.value)
    assert "damaged, or not a weights file" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return str(caught.value)
