"""The ncnn reader: real files, handmade files, damaged ones, and ncnn itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.images.preprocessing import PRESETS
from sqznet.network.variants import Wiring

from ..support import layer_lists, ncnn_files, networks
from ..support.caffe_files import float_array
from ..support.checkpoints import assert_same_tensors

Array = Any
NETWORKS = ("squeezenet1_0", "squeezenet1_1")


@pytest.mark.parametrize("suffix", [".param", ".bin"])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_real_files_hold_the_same_weights(shared: Path, network: str, suffix: str) -> None:
    found = weights.read(shared / "weights" / f"{network}{suffix}")
    expected = weights.read(shared / "weights" / f"{network}.pth")
    assert_same_tensors(found, expected)
    assert len({id(tensor.data.obj) for tensor in found.tensors.values()}) == 1  # no copies
    assert (found.format, found.variant, found.wiring) == ("ncnn", network, Wiring())
    assert found.preprocessing == PRESETS["torchvision"]
    assert found.reasons["preprocessing"] == "pnnx's names: a network from PyTorch"
    assert found.warnings == ()
    assert found.reasons["conv10_padding"] == "the .param file's layer 'convrelu_25'"


@pytest.mark.parametrize("network", NETWORKS)
def test_the_real_files_give_the_reference_logits(shared: Path, network: str) -> None:
    with np.load(shared / "reference" / "input_224.npz") as stored:
        x = stored["first8_squash"][:1]
    with np.load(shared / "reference" / "logits_224.npz") as stored:
        expected = stored[f"{network}.squash"][:1]
    found = sqznet.load(shared / "weights" / f"{network}.param").logits(x)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def run_ncnn(param: Path, x: Array, last: str, **options: bool) -> Array:
    """The output of ncnn for one input (3, H, W)."""
    ncnn = pytest.importorskip("ncnn", reason="ncnn, for comparison, is not installed")
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = 1
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    assert net.load_param(str(param)) == 0
    assert net.load_model(str(param.with_suffix(".bin"))) == 0
    with net.create_extractor() as extractor:
        extractor.input(net.input_names()[0], ncnn.Mat(np.ascontiguousarray(x)).clone())
        result, found = extractor.extract(last)
        assert result == 0
        return np.array(found).ravel().copy()


@pytest.mark.parametrize("network", NETWORKS)
def test_the_real_files_answer_as_in_ncnn(shared: Path, network: str) -> None:
    path = shared / "weights" / f"{network}.param"
    model = sqznet.load(path)
    photo = sorted((shared / "images").iterdir())[3]
    x = model.preprocess(photo)
    assert x.shape == (1, 3, 224, 224)
    expected = run_ncnn(path, x[0], "out0")
    assert np.abs(model.logits(x)[0] - expected).max() < 1e-4 * np.abs(expected).max()


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


@pytest.mark.parametrize("ceil_mode", [True, False])
@pytest.mark.parametrize(
    ("base", "bypass", "stored", "conv10_padding"),
    [
        ("squeezenet1_0", "simple", "float32", 1),
        ("squeezenet1_1", "complex", "float16", 0),
        ("squeezenet1_1", "", "table", 2),
    ],
)
def test_networks_made_by_hand_answer_as_in_ncnn(
    tmp_path: Path, base: str, bypass: str, stored: str, conv10_padding: int, ceil_mode: bool
) -> None:
    made = networks.tensors(base, bypass=bypass)
    layers = layer_lists.squeezenet(
        made,
        base,
        bypass,
        conv1_padding=1,
        conv10_padding=conv10_padding,
        ceil_mode=ceil_mode,
        fused=bypass != "simple",
    )
    path = ncnn_files.save(tmp_path, made, layers, base, stored)
    x = networks.inputs(1, 1, 102, 131)
    x /= 60
    expected = run_ncnn(path, x[0], "prob")
    model = sqznet.load(path)
    assert model.variant == base + (f"_{bypass}_bypass" if bypass else "")
    found = softmax(model.logits(x)[0])
    assert np.abs(found - expected).max() < 2e-5


@pytest.mark.parametrize("stored", ncnn_files.STORED)
def test_every_way_of_storing(tmp_path: Path, stored: str) -> None:
    made = networks.tensors(seed=3)
    layers = layer_lists.squeezenet(made, fused=True, conv10_padding=1)
    checkpoint = weights.read(ncnn_files.save(tmp_path, made, layers, stored=stored))
    assert checkpoint.tensors.keys() == made.keys()
    for name, array in made.items():
        found = float_array(checkpoint.tensors[name])
        if name.endswith("bias"):
            assert found.tobytes() == array.tobytes()
            continue
        assert found.dtype == ("float16" if stored == "float16" else "float32")
        expected = ncnn_files.expected_weight(array, stored)
        assert np.abs(found - expected).max() <= 1e-7 * np.abs(expected).max(), name
    assert checkpoint.wiring == Wiring(conv10_padding=1, softmax=True, activation="softmax")
    assert bool(checkpoint.warnings) == (stored == "table")


def test_an_int8_channel_of_zeros_without_a_scale(tmp_path: Path) -> None:
    made = networks.tensors()
    layers = layer_lists.squeezenet(made, fused=True)
    path = ncnn_files.save(tmp_path, made, layers, stored="int8")
    stem = made["features.0.weight"]
    data = path.with_suffix(".bin").read_bytes()
    scales = ncnn_files.scales(stem).tobytes()
    path.with_suffix(".bin").write_bytes(data.replace(scales, bytes(4) + scales[4:]))
    found = float_array(weights.read(path).tensors["features.0.weight"])
    assert (found[0] == 0).all()
    assert (found[1] != 0).any()


def test_the_size_of_the_input_is_used(tmp_path: Path) -> None:
    path = small_pair(tmp_path)
    change(path, "data 0 1 data", "data 0 1 data 0=240 1=192 2=3")
    assert weights.read(path).preprocessing.size == (192, 240)


def small_pair(folder: Path, stored: str = "float32") -> Path:
    description, data = ncnn_files.small(stored)
    path = folder / "net.param"
    path.write_bytes(description)
    path.with_suffix(".bin").write_bytes(data)
    return path


def change(path: Path, old: str, new: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("7767517", "7767518", "begins with b'7767518"),
        (
            "Pooling pool2",
            "Pooling3D pool2",
            "'pool2' of type 'Pooling3D': its type is not supported",
        ),
        ("Pooling pool2", "BatchNorm pool2", "'pool2' of type 'BatchNorm'"),
        ("0=0 1=3 2=2 5=0", "0=0 1=3 2=2 5=2", "'pool2' of type 'Pooling': is neither"),
        ("0=0 1=3 2=2 5=0", "0=0 1=3 2=2 5=1", "some of its pools"),
        ("0=0 1=3 2=2 5=0", "0=0 1=2 2=2 5=0", "'pool2' has a 2x2 kernel"),
        ("0=1 4=1", "0=1 1=13", "'pool10' of type 'Pooling'"),
        ("0=1 4=1", "0=1 7=1 8=2", "more than one output value"),
        ("1=3 3=2 4=0", "1=3 3=2 4=-233", "padding -233"),
        ("1=3 3=2 4=0", "1=3 2=2 3=2 4=0", "'conv1' of type 'Convolution': parameter 2"),
        ("1=3 3=2 4=0", "1=3 3=2 4=0 11=1", "'conv1' of type 'Convolution': parameter 11"),
        (
            "1=3 3=2 4=0",
            "1=3 3=2 4=0.0",
            "'conv1' of type 'Convolution': parameter 4 is not a whole",
        ),
        ("9=1", "9=2", "activation 2"),
        ("9=1", "9=0", "'conv1' is a convolution, expected a ReLU"),
        ("6=162", "6=163", "163 weights"),
        ("6=162", "6=-162", "-162 weights"),
        ("6=162", "6=162000000", "needs 648000000 bytes"),
        ("0=6 1=3", "0=0 1=3", "0 channels"),
        ("0=6 1=3", "0=six 1=3", "has a parameter '0=six'"),
        ("0=6 1=3", "0=99999999999999999999 1=3", "parameter 0 is not a whole number"),
        ("conv1 1 1", "conv1 1 999999999", "too few blobs"),
        ("conv1 1 1", "conv1 -1 1", "too few blobs"),
        ("conv1 1 1 data", "conv1 1 1 elsewhere", "reads 'elsewhere', which no layer"),
        ("Dropout drop9 1 1 ", "Concat drop9 1 1 ", "has 1 inputs and 1 outputs"),
        ("Softmax prob", "Flatten prob", None),
        ("Dropout drop9", "Flatten drop9", "'drop9' changes the shape before the global average"),
        ("0=1 4=1", "0=1 7=1 8=1", None),
        ("Softmax prob", "TanH prob", "'prob' of type 'TanH'"),
        ("Dropout drop9", "Dropout conv1", None),
        ("Convolution conv10 ", "Convolution conv1 ", "two layers have the name 'conv1'"),
    ],
)
def test_descriptions_that_are_refused(
    tmp_path: Path, old: str, new: str, match: str | None
) -> None:
    path = small_pair(tmp_path)
    change(path, old, new)
    if match is None:
        assert weights.read(path).variant == "squeezenet1_1"
        return
    with pytest.raises(WeightsError, match=match) as caught:
        weights.read(path)
    assert str(path) in str(caught.value)


def test_a_bypass_of_an_unknown_network(tmp_path: Path) -> None:
    made = networks.tensors(bypass="simple")
    layers = layer_lists.squeezenet(made, bypass="simple", fused=True)
    at = next(i for i, layer in enumerate(layers) if layer.name == "add4")
    skipped = layers[at].inputs[1]
    short = [
        type(layer)(
            **{
                **vars(layer),
                "inputs": tuple(skipped if b == "add4" else b for b in layer.inputs),
            }
        )
        for layer in layers[:at] + layers[at + 1 :]
    ]
    path = ncnn_files.save(tmp_path, made, short)
    with pytest.raises(
        WeightsError, match="bypasses are not those of a known SqueezeNet: fire2 none"
    ):
        weights.read(path)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ("0=1", None),
        ("0=1 -23301=2,1.000000e+00,1.0", None),
        ("0=1 -23301=2,1.0,-1.0", "'add4' of type 'Eltwise': parameter 1 is 1"),
        ("", "operation 0, expected a sum"),
        ("0=2", "operation 2, expected a sum"),
    ],
)
def test_sums(tmp_path: Path, settings: str, match: str | None) -> None:
    made = networks.tensors(bypass="simple")
    layers = layer_lists.squeezenet(made, bypass="simple", fused=True)
    path = ncnn_files.save(tmp_path, made, layers)
    content = path.read_text(encoding="utf-8")
    lines = [
        line.replace("BinaryOp", "Eltwise") + settings if "BinaryOp" in line else line
        for line in content.splitlines()
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    if match is None:
        assert weights.read(path).variant == "squeezenet1_1_simple_bypass"
        return
    with pytest.raises(WeightsError, match=match):
        weights.read(path)


def drop_bin(path: Path) -> None:
    path.with_suffix(".bin").unlink()


def cut_bin(path: Path) -> None:
    data = path.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(data[:-5])


def lengthen_bin(path: Path) -> None:
    data = path.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(data + bytes(4))


def binary_param(path: Path) -> None:
    path.write_bytes((7767517).to_bytes(4, "little") + bytes(40))


def add_a_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"ReLU r 1 1 prob r\n")


def huge_param(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" " * (1 << 20))


@pytest.mark.parametrize(
    ("harm", "match"),
    [
        (drop_bin, r"expected 'net\.bin' beside it"),
        (cut_bin, "was cut short"),
        (lengthen_bin, "bytes, but its layers take"),
        (binary_param, "binary description"),
        (add_a_line, "names 50 layers, expected '49'"),
        (huge_param, "at most"),
    ],
)
def test_pairs_that_are_refused(tmp_path: Path, harm: Callable[[Path], None], match: str) -> None:
    path = small_pair(tmp_path)
    harm(path)
    with pytest.raises(WeightsError, match=match):
        weights.read(path)


def test_the_error_for_a_bin_file_alone_names_what_is_missing(tmp_path: Path) -> None:
    path = small_pair(tmp_path).with_suffix(".bin")
    shutil.move(path, tmp_path / "other.bin")
    with pytest.raises(WeightsError, match="param file is not beside it"):
        weights.read(tmp_path / "other.bin")


def test_int8_scales_that_are_not_finite(tmp_path: Path) -> None:
    path = small_pair(tmp_path, "int8")
    data = path.with_suffix(".bin").read_bytes()
    scales = ncnn_files.scales(networks.tensors(classes=3)["features.0.weight"]).tobytes()
    path.with_suffix(".bin").write_bytes(data.replace(scales, b"\xff" * len(scales)))
    with pytest.raises(WeightsError, match="'conv1' has scales that are not finite"):
        weights.read(path)
    change(path, " 8=2", "")
    with pytest.raises(WeightsError, match="'conv1' has int8 weights without scales"):
        weights.read(path)


# --- Files of pnnx -----------------------------------------------------------------------------

EXPORTED = Path(__file__).resolve().parents[1] / "exported"
PNNX = (EXPORTED / "pnnx.param").read_text()


def from_pnnx(folder: Path, description: str) -> sqznet.Model:
    (folder / "net.param").write_text(description)
    shutil.copy(EXPORTED / "pnnx.bin", folder / "net.bin")
    return sqznet.load(folder / "net.param", threads=1)


def test_files_of_pnnx_get_the_preprocessing_of_torchvision(tmp_path: Path) -> None:
    """The scores are torch's for the network that pnnx converted."""
    model = from_pnnx(tmp_path, PNNX)
    assert model.preprocessing == PRESETS["torchvision"]
    assert model.wiring == Wiring()


@pytest.mark.parametrize(
    ("last", "preset"),
    [("Conv_25", "torchvision"), ("/features/Conv", "torchvision"), ("conv10", "ncnn")],
)
def test_names_of_torch_mean_its_preprocessing(tmp_path: Path, last: str, preset: str) -> None:
    names = iter(["Conv_0", *[f"/a/{i}/Conv" for i in range(24)], last])
    text = re.sub("convrelu_[0-9]+", lambda _: next(names), PNNX).replace("in0", "input.1")
    assert from_pnnx(tmp_path, text).preprocessing == PRESETS[preset]


def test_a_size_in_the_file_counts(tmp_path: Path) -> None:
    text = PNNX.replace("0 1 in0", "0 1 in0 0=96 1=64 2=3")
    expected = PRESETS["torchvision"]._replace(size=(64, 96))
    assert from_pnnx(tmp_path, text).preprocessing == expected


def test_the_end_of_the_network(tmp_path: Path) -> None:
    x = networks.inputs(1, 1, 65, 65) / 60
    plain = from_pnnx(tmp_path, PNNX)
    head, _, tail = PNNX.rpartition("9=1")
    linear = from_pnnx(tmp_path, f"{head}9=0{tail}")
    assert linear.wiring == Wiring(conv10_relu=False)
    assert linear.logits(x).min() < 0 <= plain.logits(x).min()
    text = PNNX.replace("47 55", "48 56") + "Sigmoid sigmoid_0 1 1 out0 out1\n"
    assert from_pnnx(tmp_path, text).wiring == Wiring(activation="sigmoid")
