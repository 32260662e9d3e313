"""The Caffe reader: real files, handmade files, and OpenCV, which reads them too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.images.preprocessing import PRESETS
from sqznet.network import variants
from sqznet.network.variants import Wiring
from sqznet.weights import recognition
from sqznet.weights.naming import torchvision_name
from sqznet.weights.recognition import Layer

from ..support import caffe_files, layer_lists, networks
from ..support.caffe_files import field, float_array, message
from ..support.checkpoints import assert_same_tensors
from ..support.weights_refusal import assert_refused

Array = Any
REAL = {
    "squeezenet1_0.caffemodel": "squeezenet1_0",
    "squeezenet1_1.caffemodel": "squeezenet1_1",
    "squeezenet1_1.v1layers.caffemodel": "squeezenet1_1",
}
every_real_file = pytest.mark.parametrize(("name", "network"), REAL.items(), ids=REAL)


@every_real_file
def test_the_real_files_hold_the_same_weights(shared: Path, name: str, network: str) -> None:
    found = weights.read(shared / "weights" / name)
    expected = weights.read(shared / "weights" / f"{network}.pth")
    assert_same_tensors(found, expected)
    assert len({id(tensor.data.obj) for tensor in found.tensors.values()}) == 1  # no copies
    assert (found.format, found.variant, found.wiring) == ("caffe", network, Wiring())
    assert found.preprocessing == PRESETS["caffe"]
    assert "put its .prototxt beside it" in found.warnings[0]


@every_real_file
def test_the_real_files_give_the_reference_logits(shared: Path, name: str, network: str) -> None:
    with np.load(shared / "reference" / "input_224.npz") as stored:
        x = stored["first8_squash"][:1]
    with np.load(shared / "reference" / "logits_224.npz") as stored:
        expected = stored[f"{network}.squash"][:1]
    found = sqznet.load(shared / "weights" / name).logits(x)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


# --- OpenCV ------------------------------------------------------------------------------------


def run_opencv(description: str, model: bytes, x: Array) -> Array:
    """The output of OpenCV's Caffe importer for one input (1, 3, H, W)."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV, for comparison, is not installed")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV has no Caffe importer (OpenCV 4 has)")
    net = cv2.dnn.readNetFromCaffe(
        np.frombuffer(description.encode(), np.uint8), np.frombuffer(model, np.uint8)
    )
    net.setInput(x)
    return np.array(net.forward()).ravel()


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


@every_real_file
def test_the_real_files_answer_as_in_opencv(
    shared: Path, tmp_path: Path, name: str, network: str
) -> None:
    """With the padding of the authors' 1.0, from a prototxt, and without it."""
    made = {
        key: float_array(tensor)
        for key, tensor in weights.read(shared / "weights" / f"{network}.pth").tensors.items()
    }
    padding = 1 if network == "squeezenet1_0" else 0
    layers = layer_lists.squeezenet(made, network, conv10_padding=padding, softmax=False)
    description = caffe_files.prototxt(layers, 227, 227)
    (tmp_path / name).symlink_to(shared / "weights" / name)
    (tmp_path / "deploy.prototxt").write_text(description, encoding="utf-8")
    model = sqznet.load(tmp_path / name)
    assert model.wiring.conv10_padding == padding
    x = model.preprocess(sorted((shared / "images").iterdir())[5])
    assert x.shape == (1, 3, 227, 227)
    expected = run_opencv(description, (shared / "weights" / name).read_bytes(), x)
    assert np.abs(model.logits(x)[0] - expected).max() < 1e-4 * np.abs(expected).max()


CASES = [
    ("squeezenet1_0", "simple", False),
    ("squeezenet1_1", "complex", False),
    ("squeezenet1_1", "", True),
    ("squeezenet1_1", "simple", True),
]


@pytest.mark.parametrize(("base", "bypass", "old"), CASES)
def test_networks_made_by_hand_answer_as_in_opencv(
    tmp_path: Path, base: str, bypass: str, old: bool
) -> None:
    made = networks.tensors(base, bypass=bypass)
    layers = layer_lists.squeezenet(made, base, bypass, conv1_padding=1, conv10_padding=1)
    content = caffe_files.caffemodel(made, layers, base, old)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(content)
    model = sqznet.load(path)
    assert model.variant == base + (f"_{bypass}_bypass" if bypass else "")
    x = networks.inputs(1, 1, 102, 131) / np.float32(60)
    expected = run_opencv(caffe_files.prototxt(layers, 102, 131), content, x)
    assert np.abs(softmax(model.logits(x)[0]) - expected).max() < 2e-5


# --- Handmade files ----------------------------------------------------------------------------


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@pytest.mark.parametrize("base", list(variants.TOPOLOGIES))
@pytest.mark.parametrize("options", [{}, {"old": True}, {"packed": False}, {"double": True}])
def test_every_way_of_writing(
    tmp_path: Path, base: str, bypass: str, options: dict[str, bool]
) -> None:
    made = networks.tensors(base, bypass=bypass)
    layers = layer_lists.squeezenet(made, base, bypass, conv10_padding=1)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffe_files.caffemodel(made, layers, base, **options))
    found = weights.read(path)
    assert found.tensors.keys() == made.keys()
    for name, array in made.items():
        tensor = found.tensors[name]
        assert tensor.dtype == ("float64" if "double" in options else "float32")
        assert (float_array(tensor) == array).all()
    assert found.variant == base + (f"_{bypass}_bypass" if bypass else "")
    assert found.wiring == Wiring(conv10_padding=1, softmax=True, activation="softmax")
    assert found.reasons["conv10_padding"] == "the file's layer 'conv10'"
    assert found.warnings == ()


def with_training_layers(layers: list[Layer]) -> bytes:
    """Other content of a training snapshot: data and labels, splits, a loss, an accuracy."""
    made = networks.tensors()
    own = {name: torch for torch, name in layer_lists.caffe_names("squeezenet1_1").items()}
    crop = message([(3, 120), (5, 100.0), (5, 101.0), (5, 102.0), (1, 0.5)])
    data = message([(1, "data"), (2, "Data"), (4, "data"), (4, "label"), (100, crop)])
    loss = message([(1, "loss"), (2, "SoftmaxWithLoss"), (3, "pool10"), (3, "label"), (4, "loss")])
    count = message([(1, "top5"), (2, "Accuracy"), (3, "pool10"), (3, "label"), (4, "top5")])
    content = field(100, data)
    for layer in layers:
        if layer.kind in (recognition.INPUT, recognition.SOFTMAX):
            continue
        blobs = []
        if layer.kind == recognition.CONV:
            arrays = (made[f"{own[layer.name]}.{part}"] for part in ("weight", "bias"))
            blobs = [caffe_files.blob(array) for array in arrays]
        content += field(100, caffe_files.layer_message(layer, blobs))
    return content + field(100, loss) + field(100, count)


def test_a_snapshot_of_training(tmp_path: Path) -> None:
    made = networks.tensors()
    layers = layer_lists.squeezenet(made)
    # ReLUs that overwrite their input, and a split of their result.
    changed = []
    for layer in layers:
        inputs = tuple(blob.removeprefix("relu_") for blob in layer.inputs)
        outputs = tuple(blob.removeprefix("relu_") for blob in layer.outputs)
        changed.append(replace(layer, inputs=inputs, outputs=outputs))
    path = tmp_path / "snapshot.caffemodel"
    path.write_bytes(with_training_layers(changed))
    found = weights.read(path)
    assert found.variant == "squeezenet1_1"
    assert found.wiring == Wiring(softmax=True, activation="softmax")
    pre = found.preprocessing
    assert (pre.size, pre.mean, pre.std) == ((120, 120), (100.0, 101.0, 102.0), (2.0, 2.0, 2.0))
    assert pre.channel_order == "bgr"
    assert "with the file's size, mean and scale" in found.reasons["preprocessing"]


def test_a_layer_without_a_bias_has_zeros(tmp_path: Path) -> None:
    made = networks.tensors()
    layers = layer_lists.squeezenet(made)
    path = tmp_path / "net.caffemodel"
    content = caffe_files.caffemodel(made, layers)
    bias = field(7, caffe_files.blob(made["features.0.bias"]))
    stem = caffe_files.layer_message(
        layers[1], [caffe_files.blob(made[f"features.0.{part}"]) for part in ("weight", "bias")]
    )
    assert field(100, stem) in content
    path.write_bytes(content.replace(field(100, stem), field(100, stem.replace(bias, b""))))
    found = float_array(weights.read(path).tensors["features.0.bias"])
    assert found.tolist() == [0.0] * len(made["features.0.bias"])


def test_names_alone_show_a_complex_bypass(tmp_path: Path) -> None:
    made = networks.tensors("squeezenet1_0", bypass="complex")
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffe_files.bare_caffemodel(made, "squeezenet1_0"))
    found = weights.read(path)
    assert found.tensors.keys() == made.keys()
    assert found.variant == "squeezenet1_0_complex_bypass"
    assert "default" in found.reasons["conv10_padding"]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("conv1", ("features.0", "features.0")),
        ("conv10", ("classifier.1", "classifier.1")),
        ("fire2/squeeze1x1", ("features.3.squeeze", "features.3.squeeze")),
        ("fire4_expand1x1", ("features.5.expand1x1", "features.6.expand1x1")),
        ("fire5-expand3x3", ("features.7.expand3x3", "features.7.expand3x3")),
        ("fire9/bypass", ("features.12.bypass", "features.12.bypass")),
        ("bypass_fire8", ("features.10.bypass", "features.11.bypass")),
        ("fire1/squeeze1x1", (None, None)),
        ("fire10/squeeze1x1", (None, None)),
        ("fire2/relu_squeeze1x1", (None, None)),
        ("xfire2/squeeze1x1", (None, None)),
        ("fc8", (None, None)),
    ],
)
def test_names(layer: str, expected: tuple[str | None, str | None]) -> None:
    found = tuple(torchvision_name(layer, base) for base in variants.TOPOLOGIES)
    assert found == expected


# --- Files to refuse ---------------------------------------------------------------------------


def one_layer(*fields: tuple[int, Any]) -> bytes:
    return field(1, "net") + field(100, message([(1, "conv1"), (2, "Convolution"), *fields]))


def one_blob(*fields: tuple[int, Any]) -> bytes:
    return one_layer((7, message(fields)))


SHAPE = (7, field(1, bytes([2, 3, 3, 3])))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (one_layer((3, "data"), (4, "conv1")), "reads 'data', which no layer before it writes"),
        (one_layer(), "their names are not those of a SqueezeNet"),
        (one_blob(SHAPE), "no layer conv10"),
        (one_blob((7, field(1, b"\x01" * 100_001))), "settings take more than"),
        (field(1, "net") + field(100, b"\x0a\x00") * 2001, "2001 layers"),
        (one_blob((1, 1 << 63)), "not those of a SqueezeNet"),
        (one_blob((5, 7)) + field(100, message([(1, "fc6"), (7, b"")])), "'fc6' of type ''"),
        (field(1, "net") + field(100, message([(1, "b"), (2, "BatchNorm")])), "'BatchNorm'"),
        (field(1, "net") + field(2, message([(4, "b"), (5, 99)])), "type 'number 99'"),
        (one_layer() + field(2, message([(4, "b"), (5, 4)])), "new kind and of its old"),
        (one_layer() * 2 + one_layer((3, b"\xff")), "instead of UTF-8 text"),
        (one_layer() + b"\xa2\x06\x7f", "field of 127 bytes"),
        (one_layer((106, message([(3, -1 & 0xFFFFFFFFFFFFFFFF)]))), "pad is -1"),
        (one_layer((106, message([(3, 5), (9, 6)]))), "pad differs"),
    ],
)
def test_hostile_messages(tmp_path: Path, content: bytes, match: str) -> None:
    assert_refused(tmp_path, content, match)


@pytest.mark.parametrize(
    ("blob", "match"),
    [
        (message([SHAPE]), "a blob without numbers"),
        (message([SHAPE, (5, bytes(216)), (8, bytes(432))]), "both floats and doubles"),
        (message([SHAPE, (5, bytes(212))]), "has 212 bytes, expected 216"),
        (message([SHAPE, (5, bytes(213))]), "numbers of 4 bytes"),
        (message([SHAPE, (5, 7)]), "instead of a message"),
        (message([(7, field(1, bytes([2, 0, 3, 3]))), (5, b"")]), "a blob of shape"),
        (message([(1, 1 << 40), (2, 1 << 40), (3, 3), (4, 3), (5, b"")]), "a blob of shape"),
        (message([(7, field(1, bytes([54, 3]))), (5, bytes(648))]), "expected four dimensions"),
    ],
)
def test_hostile_blobs(tmp_path: Path, blob: bytes, match: str) -> None:
    """Replaces a valid stem's weights in a network that is recognized only by names."""
    made = networks.tensors(classes=3)
    content = caffe_files.bare_caffemodel(made)
    parts = [field(7, caffe_files.blob(made[f"features.0.{part}"])) for part in ("weight", "bias")]
    sound = message([(1, "conv1"), (2, "Convolution")]) + b"".join(parts)
    assert field(100, sound) in content
    hostile = sound.replace(parts[0], field(7, blob))
    assert_refused(tmp_path, content.replace(field(100, sound), field(100, hostile)), match)


def test_two_layers_of_one_name(tmp_path: Path) -> None:
    content = caffe_files.small_bare()
    assert_refused(tmp_path, content + one_blob(SHAPE), "two layers with weights have the name")
