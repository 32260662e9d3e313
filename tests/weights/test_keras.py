"""Keras's HDF5 files load in every layout, and damaged files are refused."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.errors import SqznetError, WeightsError
from sqznet.images.preprocessing import PRESETS
from sqznet.network import variants
from sqznet.network.variants import Wiring

from ..support import keras_files as files
from ..support import networks
from ..support.checkpoints import assert_same_tensors
from ..support.keras_files import assert_holds, read_here, refused_here

h5py: Any = pytest.importorskip("h5py", reason="h5py (the extra keras) reads these files")

Array = Any
BASES = tuple(variants.TOPOLOGIES)
VERSIONS = ("earliest", "latest")
FLOOR = Wiring(ceil_mode=False, softmax=True)
FEW_PIXELS = PRESETS["squash-bgr"]._replace(size=(64, 64))


# --- The real file ---------------------------------------------------------------------------


def test_the_real_file_holds_the_same_weights(shared: Path) -> None:
    found = weights.read(shared / "weights" / "squeezenet1_1.keras.h5")
    expected = weights.read(shared / "weights" / "squeezenet1_1.pth")
    assert_same_tensors(found, expected)
    assert (found.format, found.variant, found.wiring) == ("keras", "squeezenet1_1", FLOOR)
    assert found.preprocessing == PRESETS["keras"]
    assert found.metadata == {"keras_version": "2.0.8", "backend": "tensorflow"}
    assert found.reasons["ceil_mode"] == "the default for keras files"


def test_the_real_file_gives_the_reference_logits(shared: Path) -> None:
    with np.load(shared / "reference" / "input_224.npz") as stored:
        x = stored["first8_squash"][:1]
    with np.load(shared / "reference" / "logits_224.npz") as stored:
        expected = stored["squeezenet1_1.squash"][:1]
    path = shared / "weights" / "squeezenet1_1.keras.h5"
    found = sqznet.load(path, preprocessing="squash-bgr").logits(x)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


# --- Layouts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("base", BASES)
def test_keras_2_weights(tmp_path: Path, base: str, version: str) -> None:
    made = networks.tensors(base)
    path = files.layer_names_file(tmp_path / "a.h5", files.layers(made, base), libver=version)
    found = weights.read(path)
    assert_holds(found, made)
    assert (found.variant, found.wiring) == (base, FLOOR)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("parent", ["layers", "_layer_checkpoint_dependencies"])
def test_keras_3_weights_with_automatic_names(tmp_path: Path, version: str, parent: str) -> None:
    """conv2d_10 comes after conv2d_9, although the file lists it first."""
    made = networks.tensors()
    given = files.automatic(files.layers(made, BASES[1]))
    path = files.vars_file(tmp_path / "a.weights.h5", given, parent=parent, libver=version)
    assert_holds(read_here(path), made)


def test_keras_3_weights_with_the_layers_own_names(tmp_path: Path) -> None:
    """The names have priority: here, the groups are numbered in another order."""
    made = networks.tensors()
    named = files.layers(made, BASES[1], separator="_")[::-1]
    path = tmp_path / "a.weights.h5"
    files.vars_file(path, files.automatic(named), [name for name, _, _ in named])
    assert_holds(read_here(path), made)


def test_automatic_names_in_keras_2(tmp_path: Path) -> None:
    made = networks.tensors(BASES[0])
    given = files.automatic(files.layers(made, BASES[0]), "convolution2d")
    assert_holds(read_here(files.layer_names_file(tmp_path / "a.h5", given)), made)


def test_the_expands_of_a_fire_in_either_order(tmp_path: Path) -> None:
    made = networks.tensors()
    given = files.layers(made, BASES[1])
    given[2], given[3] = given[3], given[2]
    path = files.layer_names_file(tmp_path / "a.h5", files.automatic(given))
    assert_holds(read_here(path), made)


@pytest.mark.parametrize("automatic", [False, True])
def test_a_complex_bypass(tmp_path: Path, automatic: bool) -> None:
    made = networks.tensors(bypass="complex")
    given = files.layers(made, BASES[1])
    path = files.layer_names_file(tmp_path / "a.h5", files.automatic(given) if automatic else given)
    found = read_here(path)
    assert_holds(found, made)
    assert found.variant == "squeezenet1_1_complex_bypass"


def test_one_layer_renamed_for_fine_tuning(tmp_path: Path) -> None:
    made = networks.tensors(classes=5)
    given = files.layers(made, BASES[1])
    given[-1] = ("predictions", *given[-1][1:])
    assert_holds(read_here(files.layer_names_file(tmp_path / "a.h5", given)), made)


def test_a_name_in_the_wrong_place_is_refused_here(tmp_path: Path) -> None:
    given = files.layers(networks.tensors(), BASES[1])
    given[-1] = ("predictions", *given[-1][1:])
    given[1], given[4] = given[4], given[1]
    refused_here(files.layer_names_file(tmp_path / "a.h5", given), "not a fire|unexpected position")


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_element_types(tmp_path: Path, dtype: str) -> None:
    made = {name: array.astype(dtype) for name, array in networks.tensors().items()}
    path = files.layer_names_file(tmp_path / "a.h5", files.layers(made, BASES[1]))
    little = {name: array.astype(array.dtype.newbyteorder("<")) for name, array in made.items()}
    found = read_here(path)
    assert_holds(found, little)
    assert {tensor.dtype for tensor in found.tensors.values()} == {
        little["features.0.bias"].dtype.name
    }


def test_bfloat16(tmp_path: Path) -> None:
    """Keras stores two opaque bytes, and states the type in an attribute."""
    made = {n: a.astype("<f4").view("<u2")[..., 1::2] for n, a in networks.tensors().items()}
    raw = {name: np.ascontiguousarray(array).view("V2") for name, array in made.items()}
    path = files.vars_file(tmp_path / "a.h5", files.automatic(files.layers(raw, BASES[1])))
    with h5py.File(path, "r+") as file:
        for layer in file["layers"].values():
            for tensor in layer.get("vars", {}).values():
                tensor.attrs["dtype"] = "bfloat16"
    found = read_here(path)
    assert {tensor.dtype for tensor in found.tensors.values()} == {"bfloat16"}
    assert bytes(found.tensors["features.0.bias"].data) == made["features.0.bias"].tobytes()


def test_automatic_names_without_the_top(tmp_path: Path) -> None:
    made = networks.tensors()
    given = files.automatic(files.layers(made, BASES[1], top=False))
    found = read_here(files.layer_names_file(tmp_path / "a.h5", given))
    assert_holds(found, {k: v for k, v in made.items() if not k.startswith("classifier.")})


def test_weights_without_the_top(tmp_path: Path) -> None:
    given = files.layers(networks.tensors(), BASES[1], top=False)
    path, load = tmp_path / "a.h5", partial(sqznet.load, preprocessing=FEW_PIXELS)
    model = load(files.layer_names_file(path, given))
    assert (model.num_classes, model.labels) == (0, ())
    photo = networks.photo()
    with pytest.raises(SqznetError, match="have no classifier"):
        model.classify(photo)
    with pytest.raises(SqznetError, match="have no classifier"):
        model.logits(model.preprocess(photo))
    with pytest.raises(SqznetError, match="have no classifier"):
        model.heatmap(photo)
    # Its features are those of the network with its top.
    whole = files.layer_names_file(tmp_path / "b.h5", files.layers(networks.tensors(), BASES[1]))
    np.testing.assert_array_equal(model.embed(photo), load(whole).embed(photo))
    assert "no classifier" in sqznet.identify(path).warnings[0]
    converted = tmp_path / "c.safetensors"
    sqznet.convert(path, converted)
    np.testing.assert_array_equal(model.embed(photo), load(converted).embed(photo))
    with pytest.raises(WeightsError, match="has no classifier"):
        sqznet.convert(path, tmp_path / "c.onnx")


# --- Whole models ----------------------------------------------------------------------------


def whole(path: Path, config: object, bypass: str = "", base: str = BASES[1]) -> Path:
    made = networks.tensors(base, bypass=bypass)
    return files.layer_names_file(path, files.layers(made, base), config)


@pytest.mark.parametrize("separate_relu", [False, True])
@pytest.mark.parametrize("base", BASES)
def test_a_whole_model_states_its_size(tmp_path: Path, base: str, separate_relu: bool) -> None:
    config = files.model_config(base, separate_relu=separate_relu)
    found = read_here(whole(tmp_path / "a.h5", config, base=base))
    assert_holds(found, networks.tensors(base))
    assert found.wiring == FLOOR._replace(activation="softmax")
    assert found.preprocessing.size == (67, 67)
    assert found.reasons["ceil_mode"] == "the file's model_config"


def test_a_whole_model_of_any_size(tmp_path: Path) -> None:
    found = read_here(whole(tmp_path / "a.h5", files.model_config(size=None)))
    assert found.preprocessing == PRESETS["keras"]


def test_bypasses_in_a_whole_model(tmp_path: Path) -> None:
    found = read_here(whole(tmp_path / "a.h5", files.model_config(additions=4)))
    assert found.variant == "squeezenet1_1_simple_bypass"


@pytest.mark.parametrize(
    ("size", "padding", "pool_padding", "wiring"),
    [
        (67, "same", "valid", Wiring(1, 0, False, True, activation="softmax")),
        # 32, 16, 8: pads only on the right
        (65, "valid", "same", Wiring(0, 0, True, True, activation="softmax")),
        (63, "same", "same", Wiring(1, 0, True, True, activation="softmax")),
    ],
)
def test_same_padding(
    tmp_path: Path, size: int, padding: str, pool_padding: str, wiring: Wiring
) -> None:
    config = files.model_config(size=size, padding=padding, pool_padding=pool_padding)
    assert read_here(whole(tmp_path / "a.h5", config)).wiring == wiring


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": 64, "padding": "same"}, "more on the right than on the left"),
        ({"size": 67, "pool_padding": "same"}, "pools pad 33 x 33 pixels on the left"),
        ({"base": "squeezenet1_0"}, "pools after .* of them; expected 8 and"),
        ({"size": 5000}, "5000 x 5000 pixels"),
        ({"size": -1}, "-1 x -1 pixels"),
        ({"padding": "causal"}, "padding is 'causal'"),
    ],
)
def test_what_sqznet_cannot_do_is_refused_here(
    tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    refused_here(whole(tmp_path / "a.h5", files.model_config(**options)), match)


def changed(kind: str, **values: Any) -> object:
    """A config whose last layer of this kind has other values."""
    config = files.model_config()
    layers = config["config"]["layers"]
    [layer for layer in layers if layer["class_name"] == kind][-1]["config"].update(values)
    return config


def without(kind: str) -> object:
    config = files.model_config()
    layers = config["config"]["layers"]
    layers.remove([layer for layer in layers if layer["class_name"] == kind][-1])
    return config


def rescaled(**values: Any) -> object:
    config = files.model_config()
    config["config"]["layers"].insert(1, {"class_name": "Rescaling", "config": values})
    return config


def headless(activation: str, last_relu: bool) -> object:
    """A config with another end."""
    config = changed("Activation", activation=activation)
    if not last_relu:
        layers = config["config"]["layers"]
        relus = [i for i, layer in enumerate(layers) if layer["config"].get("activation") == "relu"]
        del layers[relus[-1]]
    return config


@pytest.mark.parametrize("last_relu", [True, False])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "linear"])
def test_the_end_of_a_whole_model(tmp_path: Path, activation: str, last_relu: bool) -> None:
    found = read_here(whole(tmp_path / "a.h5", headless(activation, last_relu)))
    assert found.wiring == Wiring(
        ceil_mode=False,
        softmax=activation == "softmax",
        conv10_relu=last_relu,
        activation=None if activation == "linear" else activation,
    )


def test_a_model_that_rescales_its_input(tmp_path: Path) -> None:
    found = read_here(whole(tmp_path / "a.h5", rescaled(scale=1 / 127.5, offset=-1)))
    expected = PRESETS["keras"]._replace(
        size=(67, 67), channel_order="rgb", mean=(127.5,) * 3, std=(127.5,) * 3
    )
    assert found.preprocessing == expected
    assert found.reasons["preprocessing"] == "the Rescaling in the file's model_config"


# --- Archives --------------------------------------------------------------------------------


def archived(path: Path, compression: int, without: str = "") -> Path:
    made = networks.tensors()
    given = files.automatic(files.layers(made, BASES[1]))
    weights_file = files.vars_file(path.with_suffix(".h5"), given)
    entries = {
        "metadata.json": b'{"keras_version": "3.5.0", "date_saved": "2026-01-01@00:00:00"}',
        "config.json": json.dumps(files.model_config()).encode(),
        "model.weights.h5": weights_file.read_bytes(),
    }
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            if name != without:
                archive.writestr(name, data)
    return path


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_of_keras_3(tmp_path: Path, compression: int) -> None:
    found = weights.read(archived(tmp_path / "net.keras", compression))
    assert_holds(found, networks.tensors())
    assert found.format == "keras"
    assert found.wiring == Wiring(ceil_mode=False, softmax=True, activation="softmax")
    assert found.preprocessing.size == (67, 67)
    assert found.metadata == {"keras_version": "3.5.0"}
    assert found.reasons["ceil_mode"] == "the file's model_config"


@pytest.mark.parametrize("name", ["metadata.json", "config.json", "model.weights.h5"])
def test_an_incomplete_archive(tmp_path: Path, name: str) -> None:
    path = archived(tmp_path / "net.keras", zipfile.ZIP_STORED, without=name)
    files.refused(path, f"like Keras's, without its {name}")


def test_an_archive_with_damaged_weights(tmp_path: Path) -> None:
    path = archived(tmp_path / "net.keras", zipfile.ZIP_STORED)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"damage" + content[middle + 6 :])
    files.refused(path, "checksum does not match")


def with_layer(layer: object) -> object:
    config = files.model_config()
    config["config"]["layers"].append(layer)
    return config


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (changed("Conv2D", strides=[2, 2]), r"strides is \(2, 2\), expected \(1, 1\)"),
        (changed("MaxPooling2D", pool_size=[2, 2]), r"pool_size is \(2, 2\)"),
        (changed("Activation", activation="elu"), "activation 'elu'"),
        (changed("Activation", activation={"a": 1}), "activation a dict"),
        (changed("InputLayer", batch_input_shape=[None, 9]), "not a batch of images"),
        (without("Conv2D"), "25 convolutions, but the file holds 26"),
        (without("Concatenate"), "has 7 fires"),
        (without("MaxPooling2D"), "expected 8 and"),
        (without("GlobalAveragePooling2D"), "0 global averages"),
        (with_layer({"class_name": "Resizing", "config": {"name": "r"}}), "'Resizing', which"),
        (with_layer({"class_name": "Rescaling", "config": {"scale": 2}}), "not the only one, bef"),
        (rescaled(scale=-1), "its scale is -1 and its offset 0.0, expected a number above 0"),
        (rescaled(scale=1, offset=[1, 2, 3]), "its offset a list, expected"),
        (with_layer({"class_name": "Add", "config": {}}), "adds 1 bypasses"),
        (with_layer({"class_name": "ReLU", "config": {"max_value": 6}}), "not a plain ReLU"),
        (with_layer({"class_name": "ReLU", "config": {}}), "27 ReLUs, expected 26"),
        (with_layer({"class_name": [1], "config": {}}), "without class_name"),
        (with_layer({"class_name": "Model", "config": 3}), "no list of layers"),
        ({"config": {"layers": {}}}, "no list of layers"),
        ([], "no list of layers"),
        ("{", "model_config: not valid JSON"),
        ("[" * 9999, "model_config: JSON nested too deeply"),
    ],
)
def test_models_that_are_not_squeezenets(tmp_path: Path, config: object, match: str) -> None:
    refused_here(whole(tmp_path / "a.h5", config), match)
