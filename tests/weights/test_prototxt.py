"""The .prototxt beside a .caffemodel: its effects, and invalid texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.network.variants import Wiring

from ..support import caffe_files, layer_lists, networks


@pytest.mark.parametrize("name", ["net.prototxt", "deploy.prototxt"])
def test_the_prototxt_has_priority(tmp_path: Path, name: str) -> None:
    made = networks.tensors(bypass="simple")
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffe_files.small())
    layers = layer_lists.squeezenet(networks.tensors(classes=3), conv10_padding=2, softmax=False)
    (tmp_path / name).write_text(caffe_files.prototxt(layers, 111, 222), encoding="utf-8")
    found = weights.read(path)
    assert found.wiring == Wiring(conv10_padding=2)
    assert found.preprocessing.size == (111, 222)
    assert found.reasons["conv10_padding"] == "the neighboring prototxt's layer 'conv10'"
    path.write_bytes(caffe_files.bare_caffemodel(made))
    layers = layer_lists.squeezenet(made, bypass="simple")
    (tmp_path / name).write_text(caffe_files.prototxt(layers), encoding="utf-8")
    found = weights.read(path)
    assert found.variant == "squeezenet1_1_simple_bypass"
    assert found.warnings == ()


def described(folder: Path) -> tuple[Path, Path]:
    """A valid pair: the .caffemodel and the .prototxt."""
    made = networks.tensors(classes=3)
    path = folder / "net.caffemodel"
    path.write_bytes(caffe_files.bare_caffemodel(made))
    text = caffe_files.prototxt(layer_lists.squeezenet(made))
    path.with_suffix(".prototxt").write_text(text, encoding="utf-8")
    return path, path.with_suffix(".prototxt")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('"SqueezeNet"', "'Squeeze' \"Net\" ;", None),
        ("num_output: 6", "num_output: 0x6,", None),
        ("kernel_size: 3;", "kernel_h: 3 kernel_w: 3", None),
        ("kernel_size: 3;", "kernel_size: [3, 3]", None),
        ("dim: 95 dim: 95", "dim: 300 dim: 300", None),
        ("kernel_size: 3;", "kernel_h: 3 kernel_w: 5", "kernel_size differs"),
        ("kernel_size: 3;", "kernel_size: 3 group: 2", "group is 2"),
        ("kernel_size: 3;", "kernel_size: three", "kernel_size is 'three'"),
        ("kernel_size: 3;", "kernel_size: -3", "kernel_size is -3"),
        ("kernel_size: 3;", "kernel_size: 5;", "'conv1' has a 5x5 kernel"),
        ("kernel_size: 1;", "kernel_size: 3 pad: 1;", "'fire2/squeeze1x1' has a 3x3 kernel"),
        ("num_output: 6", "num_output: 7", "expected 7 outputs"),
        ("num_output: 6", f"num_output: {'6' * 50}", "line 9: a number of 50 digits"),
        ("stride: 2", "stride: 1", "not a SqueezeNet 1.0 or 1.1"),
        ('"conv1"', '"conv1b"', "'conv1b' has no weights in the caffemodel"),
        ("'Convolution'", "'BatchNorm'", "'conv1' of type 'BatchNorm': its type is not supported"),
        ("'ReLU'", "'Scale'", "of type 'Scale'"),
        ("'ReLU'", "'ReLU' relu_param { negative_slope: 0.1 }", "negative_slope is 0.1"),
        ("'Concat'", "'Concat' concat_param { axis: 2 }", "axis is 2"),
        ("pool: MAX", "pool: AVE", "neither a global average nor a max pool"),
        ("pool: MAX", "pad: 1", "padding 1"),
        ("pool: AVE,", "pool: MAX", "neither a global average nor a max pool"),
        ("layer {", "layers { name: 'old' type: RELU }\nlayer {", "new kind and of its old"),
        ("layer {", "layer: 3 layer {", "a layer that is 3"),
        ("layer {", "layer {{", "line 3: found '{', expected a field's name"),
        ("layer {", "layer", "expected a colon or a brace"),
        ("layer {", "layer } {", "expected a colon or a brace"),
        ("layer {", "layer { name: }", "expected a value"),
        ("layer {", "layer { name: [1 2] }", "expected a comma"),
        ("layer {", "layer { \x01 }", "which is not valid here"),
        ("layer {", "a {" * 40, "nested deeper than 32"),
        ("layer {", "a:" * 40, "line 3: found ':'"),
        ("dim: 95 dim: 95", "dim: 0 dim: 95", "size is"),
        ("dim: 95 dim: 95", "dim: 95000000 dim: 95", "dim is 95000000"),
    ],
)
def test_texts(tmp_path: Path, old: str, new: str, match: str | None) -> None:
    path, description = described(tmp_path)
    text = description.read_text(encoding="utf-8")
    assert old in text
    description.write_text(text.replace(old, new, 1), encoding="utf-8")
    if match is None:
        assert weights.read(path).variant == "squeezenet1_1"
        return
    with pytest.raises(WeightsError, match=match) as caught:
        weights.read(path)
    assert str(path) in str(caught.value)
    assert str(description) in str(caught.value)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def make_huge(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"#" * (1 << 18))


def make_binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + path.read_bytes())


@pytest.mark.parametrize(
    ("harm", "match"),
    [(cut_in_half, "line"), (make_huge, "at most"), (make_binary, "not text")],
)
def test_texts_that_are_damaged(tmp_path: Path, harm: Callable[[Path], None], match: str) -> None:
    path, description = described(tmp_path)
    harm(description)
    with pytest.raises(WeightsError, match=match):
        weights.read(path)
