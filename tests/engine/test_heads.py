"""Networks with heads other than a classifier: branches from taps, shared layers, outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from sqznet import _kernels
from sqznet.engine import bands
from sqznet.engine.executor import Executor
from sqznet.engine.program import Workspace
from sqznet.network import reference
from sqznet.network.layers import Branch, Fire, MaxPool, Network

from ..support import networks

Array = Any

SIZE = (83, 96)

# Two levels from taps into the trunk, one of them deeper than the trunk, and one Fire that both
# levels share.
LEVEL = Fire("head.level", 4, 9, 8)
HEAD = (
    Branch("features.5", (Fire("head.near", 3, 5, 6),), "near"),
    Branch("features.12", (MaxPool("head.pool"), Fire("head.far", 3, 5, 6)), "far"),
    Branch("near", (LEVEL,), "fine"),
    Branch("far", (LEVEL,), "coarse"),
)


@pytest.fixture(scope="module")
def network() -> Network:
    plain = networks.network(networks.tensors("squeezenet1_1", classes=7))
    return Network(plain.variant, plain.trunk, {**plain.heads, "levels": HEAD})


def without_classifier(network: Network) -> Network:
    return Network(network.variant, network.trunk, {"levels": HEAD})


@pytest.fixture(scope="module")
def made(network: Network) -> dict[str, Array]:
    rng = np.random.default_rng(5)
    made = networks.tensors("squeezenet1_1", classes=7)
    for name, shape in network.tensors().items():
        if name.startswith("head."):
            made[name] = rng.normal(0, 0.4, shape).astype(np.float32)
    return made


def run(network: Network, made: Mapping[str, Array], x: Array, threads: int) -> dict[str, Array]:
    ready = networks.executor(network, made, threads=threads)
    n, _, height, width = x.shape

    def work(workspace: Workspace) -> dict[str, Array]:
        _kernels.import_nchw(ready.pool, x, workspace.input)
        workspace.run()
        return {name: np.array(found) for name, found in workspace.outputs.items()}

    return ready.run(n, height, width, work, ("features.3",))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("banded", [False, True])
def test_every_output_against_the_reference(
    network: Network,
    made: dict[str, Array],
    threads: int,
    banded: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if banded:
        monkeypatch.setattr(bands, "LARGE", 1)
        monkeypatch.setattr(bands, "BAND", 1)
        shapes, layers = network.shapes(*SIZE), network.layers
        first = next(bands.groups(layers, range(len(network.trunk))))
        assert bands.rows_of_a_band(first, shapes, ["float32"] * len(shapes)) > 0
    x = networks.inputs(2, 3, *SIZE)
    expected = reference.layer_outputs(network, made, x)
    found = run(network, made, x, threads)
    assert list(found) == ["logits", "near", "far", "fine", "coarse", "features.3"]
    for name, value in found.items():
        wanted = expected[name]
        wanted = wanted.transpose(0, 2, 3, 1) if wanted.ndim == 4 else wanted[:, None, None]
        assert value.shape == wanted.shape
        assert np.abs(value - wanted).max() <= 1e-5 * np.abs(wanted).max(), name


def test_shapes_and_names(network: Network) -> None:
    names = [layer.name for layer in network.layers]
    shapes = network.shapes(224, 224)
    assert shapes[names.index("head.near")] == (27, 27, 11)
    assert shapes[names.index("head.far")] == (6, 6, 11)
    assert [s for n, s in zip(names, shapes, strict=True) if n == "head.level"] == [
        (27, 27, 17),
        (6, 6, 17),
    ]
    assert network.outputs == ("logits", "near", "far", "fine", "coarse")
    assert network.channels("head.level") == LEVEL.channels == 17
    assert network.num_classes == 7
    assert without_classifier(network).num_classes == 0
    assert network.tensors()["head.level.squeeze.weight"] == (4, 11, 1, 1)
    # The trunk alone needs only 17 pixels.
    trunk = Network(network.variant, network.trunk, {})
    assert network.minimum_size > trunk.minimum_size == 17


def test_a_head_without_a_classifier(network: Network, made: dict[str, Array]) -> None:
    bare = without_classifier(network)
    x = networks.inputs(2, 1, *SIZE)
    found = run(bare, made, x, 1)
    assert "logits" not in found
    np.testing.assert_array_equal(found["fine"], run(network, made, x, 1)["fine"])


def test_shared_layers_are_packed_once(network: Network, made: dict[str, Array]) -> None:
    read: list[str] = []

    class Counting(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            read.append(name)
            return super().__getitem__(name)

    pool = _kernels.ThreadPool(1)
    Executor(network, Counting(networks.raw(made)), _kernels.best_kernels(), pool)
    assert read.count("head.level.squeeze.weight") == 1
