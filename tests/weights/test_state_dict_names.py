"""State dicts with the names of other libraries, and what messages say of those that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.network import reference
from sqznet.network.variants import TOPOLOGIES

from ..support import networks
from ..support import torch_files as files
from ..support.state_dicts import MADE, Array, as_pytorchcv, assert_reads, prefixed, saved

X = networks.inputs(3, 1, 65, 65)


@pytest.mark.parametrize("changed", ["pruned", "linear", "pytorchcv trunk"])
def test_names_that_are_nearly_plain(tmp_path: Path, changed: str) -> None:
    """A file with torchvision's names and shapes takes a shorter way."""
    made, expected = dict(MADE), dict(MADE)
    if changed == "pruned":
        made["features.0.weight_orig"] = made.pop("features.0.weight")
        made["features.0.weight_mask"] = np.ones_like(MADE["features.0.weight"])
    elif changed == "linear":
        made["classifier.1.weight"] = made["classifier.1.weight"][:, :, 0, 0]
    else:
        expected = {name: array for name, array in MADE.items() if "features" in name}
        made = as_pytorchcv(expected, "squeezenet1_1")
    assert_reads(networks.save(tmp_path / "w.safetensors", made), expected)


@pytest.mark.parametrize("base", list(TOPOLOGIES))
@pytest.mark.parametrize("bypass", ["", "simple"])
def test_pytorchcv(tmp_path: Path, base: str, bypass: str) -> None:
    """Its SqueezeResNet has a simple bypass; only the name of the file says so."""
    made = networks.tensors(base, bypass=bypass)
    name = f"{'squeezeresnet' if bypass else 'squeezenet'}_v{base[-3:]}-0123.pth"
    path = saved(tmp_path, files.network_file(as_pytorchcv(made, base)), name)
    assert_reads(path, made)
    model = sqznet.load(path)
    assert model.variant == base + (f"_{bypass}_bypass" if bypass else "")
    expected = reference.forward(networks.network(made, model.variant), made, X)
    np.testing.assert_allclose(model.logits(X), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("base", list(TOPOLOGIES))
@pytest.mark.parametrize("separator", [".", "/", "_", "-"])
def test_names_of_the_paper(tmp_path: Path, base: str, separator: str) -> None:
    made = networks.tensors(base)
    named = {}
    for name, array in made.items():
        layer, _, kind = name.rpartition(".")
        new = {"features.0": "conv1", "classifier.1": "conv10"}.get(layer)
        if new is None:
            _, number, part = layer.split(".")
            fire = TOPOLOGIES[base].fires.index(int(number)) + 2
            new = f"fire{fire}{separator}{part}{'1x1' * (part == 'squeeze')}"
        named[f"net.{new}.{kind}"] = array
    assert_reads(saved(tmp_path, files.network_file(named)), made)


def test_a_linear_classifier(tmp_path: Path) -> None:
    """It comes after the average, so no ReLU comes before it."""
    made = dict(MADE)
    made["fc.weight"] = made.pop("classifier.1.weight")[:, :, 0, 0]
    made["fc.bias"] = made.pop("classifier.1.bias")
    path = saved(tmp_path, files.network_file(made))
    model = sqznet.load(path)
    assert not model.wiring.conv10_relu
    expected = reference.forward(networks.network(MADE, wiring=model.wiring), MADE, X)
    np.testing.assert_allclose(model.logits(X), expected, rtol=1e-4, atol=1e-4)
    assert "linear layer" in sqznet.identify(path).reasons["conv10_relu"]
    assert sqznet.load(path, conv10_relu=True).wiring.conv10_relu


# --- What is missing or different ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda made: made.pop("features.9.expand1x1.bias"),
         r"net\.features\.9\.expand1x1\.bias is missing, expected \(6,\)"),
        (lambda made: [made.pop(n) for n in list(made) if ".12." in n],
         r"like squeezenet1_1, but it lacks net\.features\.12\.expand1x1\.bias and 5 more"),
        (lambda made: made.update({"features.1.running_mean": np.ones(3, np.float32),
                                   "features.1.weight": np.ones(3, np.float32)}),
         r"'net\.features\.1\.running_mean' and 1 more tensor does not belong to a squeezenet1_1"),
        (lambda made: made.update({"classifier.4.weight": np.ones((3, 7), np.float32)}),
         r"'net\.classifier\.4\.weight' does not belong"),
        (lambda made: made.update({"classifier.1.weight": np.ones((7, 99), np.float32)}),
         r"net\.classifier\.1\.weight is \(7, 99, 1, 1\), expected \(7, 19, 1, 1\)"),
        (lambda made: made.update({"features.0.weight": np.ones((6, 27), np.float32)}),
         r"net\.features\.0\.weight is \(6, 27\), expected the weight of a convolution"),
    ],
)  # fmt: skip
def test_messages_have_the_names_of_the_file(
    tmp_path: Path, change: Callable[[dict[str, Array]], object], match: str
) -> None:
    made = dict(MADE)
    change(made)
    path = saved(tmp_path, files.network_file(prefixed(made, "net.")))
    with pytest.raises(WeightsError, match=match):
        weights.read(path).network()


def test_another_network(tmp_path: Path) -> None:
    made = {"conv1.weight": np.ones((4, 3, 7, 7), np.float32), "fc.bias": np.ones(3, np.float32)}
    path = saved(tmp_path, files.network_file(made))
    with pytest.raises(
        WeightsError, match=r"none of its 2 tensors \(conv1\.weight, fc\.bias, \.\.\."
    ):
        sqznet.identify(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (files.call("my.nets", "Net", 1), r"a whole model, an object of the class my\.nets\.Net"),
        ({"model": files.call("my.nets", "Net"), "epoch": 3}, r"of 2 entries, none a tensor, among "
         r"them an object of the class my\.nets\.Net"),
    ],
)  # fmt: skip
def test_whole_models(tmp_path: Path, content: Any, match: str) -> None:
    with pytest.raises(WeightsError, match=match):
        weights.read(saved(tmp_path, files.zip_file(content, {})))
