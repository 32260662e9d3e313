"""Networks with rounded activations: what the layers do, and what is read from a graph."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels, weights
from sqznet.cli.main import main
from sqznet.engine.executor import Executor
from sqznet.engine.rounded_layers import RoundedLayers
from sqznet.network import layers, reference, variants
from sqznet.weights.conversion import convert
from sqznet.weights.grids import Quantization

from ..support import networks
from ..support.onnx_files import Rounding, node
from ..support.weights_refusal import assert_refused

Array = Any
Activations = Mapping[str, tuple[Quantization, ...]]


def places(network: layers.Network) -> list[str]:
    """Every place where a file can round."""
    found = ["input", "average"]
    for position, layer in enumerate(network.layers, start=1):
        if isinstance(layer, layers.MaxPool):
            found.append(f"features.{position}")
        elif not isinstance(layer, layers.Fire):
            found.append(layer.name)
        else:
            parts = ["squeeze", "expand1x1", "expand3x3", "concat"]
            parts += ["bypass"] if layer.bypass == "complex" else []
            parts += ["add"] if layer.bypass else []
            found += [f"{layer.name}.{part}" for part in parts]
    return found


def rounded(x: Array, grid: Quantization) -> Array:
    n = np.clip(np.rint(x / grid.scale) + grid.zero_point, grid.low, grid.high)
    return (n - grid.zero_point) * grid.scale


def expected(
    network: layers.Network, made: Mapping[str, Array], activations: Activations, x: Array
) -> Array:
    """The same in NumPy and float64; x is (N, 3, H, W)."""

    def at(place: str, value: Array) -> Array:
        for grid in activations.get(place, ()):
            value = rounded(value, grid)
        return value

    def conv(name: str, value: Array, relu: bool = True, **options: int) -> Array:
        pair = made[f"{name}.weight"], made[f"{name}.bias"]
        value = reference.conv2d(value, *pair, **options)
        return at(name, reference.relu(value) if relu else value)

    x = at("input", x)
    for position, layer in enumerate(network.layers, start=1):
        if isinstance(layer, layers.Conv):
            x = conv(layer.name, x, stride=layer.stride, padding=layer.padding)
        elif isinstance(layer, layers.MaxPool):
            x = at(f"features.{position}", reference.max_pool(x, layer.ceil_mode))
        elif isinstance(layer, layers.Classifier):
            maps = conv(layer.name, x, padding=layer.padding)
            x = at("average", maps.mean(axis=(2, 3)))
        else:
            s = conv(f"{layer.name}.squeeze", x)
            ones = conv(f"{layer.name}.expand1x1", s)
            threes = conv(f"{layer.name}.expand3x3", s, padding=1)
            y = at(f"{layer.name}.concat", np.concatenate([ones, threes], axis=1))
            if layer.bypass == "complex":
                x = conv(f"{layer.name}.bypass", x, relu=False)
            x = at(f"{layer.name}.add", y + x) if layer.bypass else y
    return x


def executor(
    network: layers.Network, made: Mapping[str, Array], activations: Activations
) -> Executor:
    return Executor(
        network,
        networks.raw(made),
        _kernels.kernels_named("scalar"),
        _kernels.ThreadPool(2),
        layers=partial(RoundedLayers, activations),
    )


@pytest.mark.parametrize(
    ("base", "bypass", "wiring"),
    [
        ("squeezenet1_1", "", variants.Wiring()),
        ("squeezenet1_0", "", variants.Wiring(conv1_padding=3, conv10_padding=1)),
        ("squeezenet1_1", "simple", variants.Wiring(conv1_padding=1, ceil_mode=False)),
        ("squeezenet1_0", "complex", variants.Wiring(conv10_padding=2)),
    ],
)
def test_layers_round_at_every_given_place(base: str, bypass: str, wiring: variants.Wiring) -> None:
    made = networks.tensors(base, bypass=bypass)
    network = networks.network(made, base + (f"_{bypass}_bypass" if bypass else ""), wiring)
    x = networks.inputs(1, 2, 47, 52)
    exact = expected(network, made, {}, x)
    every: dict[str, tuple[Quantization, ...]] = {}
    for i, place in enumerate(places(network)):
        every[place] = (Quantization(0.5 + i / 64, 40 + i % 3, 0, 255),)
        alone = {place: every[place]}
        wanted = expected(network, made, alone, x)
        effect = np.abs(wanted - exact).max()
        found = networks.run(executor(network, made, alone), x)
        assert np.abs(found - wanted).max() < 0.1 * effect, place
    ready = executor(network, made, every)
    for height, width in ((47, 52), (64, 51)):
        x = networks.inputs(1, 2, height, width)
        found, wanted = networks.run(ready, x), expected(network, made, every, x)
        # A value halfway between two steps may go either way, once in many thousands.
        assert np.abs(found - wanted).max() < 1.01 * every["average"][0].scale
        assert (found == wanted.astype(np.float32)).mean() > 0.8


def test_halves_round_to_even_and_large_values_are_clipped() -> None:
    made = networks.tensors()
    # With a border, no other value uses the input's memory.
    network = networks.network(made, wiring=variants.Wiring(conv1_padding=1))
    grid = Quantization(0.5, -3, -128, 127)
    workspace = executor(network, made, {"input": (grid,)}).acquire(1, 40, 40)
    x = np.zeros((1, 3, 40, 40), np.float32)
    x.reshape(-1)[:7] = [0.25, 0.75, -0.25, -0.75, 1e30, -1e30, 0.26]
    _kernels.import_nchw(_kernels.ThreadPool(1), x, workspace.input)
    workspace.run()
    found = np.asarray(workspace.input)[0, 0, :7, 0]
    assert found.tolist() == [0.0, 1.0, 0.0, -1.0, 65.0, -62.5, 0.5]
    assert not np.signbit(found[2])


def test_several_callers_get_the_same_answers_as_one(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(Rounding(networks.tensors(classes=5)).bytes())
    model = sqznet.load(path, threads=2)
    photos = [networks.photo(seed) for seed in range(8)]
    alone = [model.classify(photo) for photo in photos]
    assert model.classify(photos) == alone
    with ThreadPoolExecutor(4) as callers:
        assert list(callers.map(model.classify, photos)) == alone


# --- What is read from a graph ---------------------------------------------------------------


def written(path: Path, made: Mapping[str, Array], **options: Any) -> weights.Checkpoint:
    path.write_bytes(Rounding(made, **options).bytes())
    return weights.read(path)


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@pytest.mark.parametrize("place", ["initializer", "constant"])
def test_activations_of_every_place_are_read(tmp_path: Path, bypass: str, place: str) -> None:
    made = networks.tensors(bypass=bypass)
    checkpoint = written(tmp_path / "net.onnx", made, bypass=bypass, place=place)
    network = networks.network(made, checkpoint.variant)
    assert set(checkpoint.activations) == set(places(network))
    assert set(checkpoint.activations.values()) == {(Quantization(8.0, 128, 0, 255),)}
    x = networks.inputs(2, 1, 64, 64)
    found = sqznet.load(tmp_path / "net.onnx", isa="scalar").logits(x)
    wanted = expected(network, made, checkpoint.activations, x)
    assert np.abs(found - wanted).max() < 12
    assert np.abs(found - wanted).mean() < 3


@pytest.mark.parametrize(
    ("zero_point", "grid"),
    [
        (np.int8(-5), (-5, -128, 127)),
        (np.uint16(9), (9, 0, 65535)),
        (np.int16([-7]), (-7, -32768, 32767)),
    ],
)
def test_types_of_integers(tmp_path: Path, zero_point: Array, grid: tuple[int, int, int]) -> None:
    made = networks.tensors()
    checkpoint = written(tmp_path / "net.onnx", made, zero_point=zero_point, scale=np.float32(0.1))
    assert checkpoint.activations["input"] == (Quantization(float(np.float32(0.1)), *grid),)
    precision = sqznet.identify(tmp_path / "net.onnx").precision
    kind = "int8" if zero_point.itemsize == 1 else "integer"
    assert precision == f"{kind} weights and activations"


def test_one_rounding_after_another(tmp_path: Path) -> None:
    """Before a ReLU that was not merged, and after it; the same rounding twice counts once."""

    class Twice(Rounding):
        def node(self, op: str, inputs: Any, **attributes: Any) -> str:
            if op == "Relu":
                self.scale = np.float32(4)
                inputs = [self.rounded(self.rounded(inputs[0]))]
                self.scale = np.float32(8)
            return super().node(op, inputs, **attributes)

    (tmp_path / "net.onnx").write_bytes(Twice(networks.tensors()).bytes())
    found = weights.read(tmp_path / "net.onnx").activations
    pair = Quantization(4.0, 128, 0, 255), Quantization(8.0, 128, 0, 255)
    assert found["features.0"] == found["features.3.expand3x3"] == pair
    assert found["features.3.concat"] == pair[1:]


def test_float_weights_that_pass_through_the_nodes_are_rounded(tmp_path: Path) -> None:
    made = networks.tensors()
    found = written(tmp_path / "net.onnx", made, weights=True).tensors
    for name, array in made.items():
        values = np.frombuffer(found[name].floats().data, "<f4").reshape(array.shape)
        wanted = array
        if name.endswith("weight"):
            n = np.clip(np.rint(array / np.float32(0.05)) + 3, -128, 127)
            wanted = (n - 3).astype(np.float32) * np.float32(0.05)
        assert (values == wanted).all(), name


def test_weights_rounded_with_one_scale_and_read_with_another_are_refused(tmp_path: Path) -> None:
    class Two(Rounding):
        def parameters(self, name: str) -> list[str]:
            weight, *bias = super().parameters(name)
            return [self.rounded(weight, np.float32(9)), *bias]

    assert_refused(tmp_path, Two(networks.tensors()).bytes(), "has other scales than the Quantize")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": np.float32(0)}, "has the scale 0.0, expected a float above 0"),
        ({"scale": np.float32(-1)}, "has the scale -1.0"),
        ({"scale": np.float32(np.nan)}, "has the scale nan"),
        ({"scale": np.float32(np.inf)}, "has the scale inf"),
        ({"scale": np.float32(3e38)}, "that stays finite when multiplied by 255"),
        ({"scale": np.int32(3)}, "has the scale 3.0"),
        ({"scale": np.ones(3, np.float32)}, r"has the shape \(3,\), expected one number"),
        ({"zero_point": np.zeros((2, 2), np.uint8)}, r"has the shape \(2, 2\)"),
        ({"zero_point": np.int32(0)}, "ONNX's element type 6, expected integers of 8 or 16 bits"),
        ({"zero_point": np.float32(0)}, "ONNX's element type 1, expected integers"),
    ],
)
def test_invalid_grids(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    assert_refused(tmp_path, Rounding(networks.tensors(), **options).bytes(), message)


class Changed(Rounding):
    """With one change to the input of the convolution `features.3.expand1x1`."""

    change = ""

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        if name == "features.3.expand1x1":
            if self.change == "quantized once more":
                self.scale = np.float32(2)
                x = self.rounded(x)
                self.scale = np.float32(8)
            elif self.change == "of another scale":
                x = self.rounded(x, np.float32(9))
            elif self.change == "often":
                for scale in range(9):
                    self.scale = np.float32(1 + scale)
                    x = self.rounded(x)
            elif self.change == "from no integers":
                scale = self.constant("lonely", np.float32(1))
                self.nodes.append(node("DequantizeLinear", [x, scale], ["taken"]))
                x = "taken"
            elif self.change == "integers cut at 0":
                grid = [self.constant("s", np.float32(1)), self.constant("z", np.int8(4))]
                self.nodes += [
                    node("QuantizeLinear", [x, *grid], ["integers"]),
                    node("Relu", ["integers"], ["cut"]),
                    node("DequantizeLinear", ["cut", *grid], ["taken"]),
                ]
                x = "taken"
        return super().conv(name, x, relu, **attributes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "quantized once more",
            "quantized in one way for one node and in another way for the next",
        ),
        (
            "of another scale",
            "with the scale 8 and the zero point 128, but they are read with 9 and 128",
        ),
        ("often", "is quantized 10 times in a row"),
        ("from no integers", "produces floats, expected integers"),
        ("integers cut at 0", "reads integers with zero point 4"),
    ],
)
def test_graphs_with_unsupported_rounding(tmp_path: Path, change: str, message: str) -> None:
    exporter = Changed(networks.tensors())
    exporter.change = change
    assert_refused(tmp_path, exporter.bytes(), message)


def test_an_input_of_integers_is_refused(tmp_path: Path) -> None:
    class Integers(Rounding):
        def rounded(self, x: str, taken_scale: Array | None = None) -> str:
            if x != self.input:
                return super().rounded(x, taken_scale)
            scale = self.constant("input scale", np.float32(1))
            self.nodes.append(node("DequantizeLinear", [x, scale], ["x"]))
            return "x"

    exporter = Integers(networks.tensors())
    assert_refused(
        tmp_path, exporter.bytes(), "the input 'data' produces floats, expected integers"
    )


def test_convert_keeps_the_weights_and_says_what_it_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "net.onnx", tmp_path / "net.safetensors"
    checkpoint = written(source, networks.tensors(), weights=True)
    assert main(["convert", str(source), str(target)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{target}: safetensors, ")
    assert err == (
        f"sqznet: {target}: warning: unlike its source, it rounds activations only if it "
        "is loaded with the precision int8; otherwise its answers differ a little\n"
    )
    found = weights.read(target)
    assert not found.activations
    for name, tensor in checkpoint.tensors.items():
        assert bytes(found.tensors[name].data) == bytes(tensor.floats().data)
    # A network of floats loses nothing.
    assert convert(target, tmp_path / "net.npz").warnings == ()
