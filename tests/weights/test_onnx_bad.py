"""ONNX files that try to mislead their reader are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ..support import networks
from ..support.onnx_files import Exporter, Storage, entry, model, node, value_info
from ..support.weights_refusal import assert_refused


def chain(nodes: list[bytes], tensors: list[bytes]) -> bytes:
    return model(nodes, tensors, [value_info("x", (1, 3, 8, 8))], [value_info("y", (1, 2))])


def test_cycles(tmp_path: Path) -> None:
    circle = [node("Identity", ["y"], ["z"]), node("Relu", ["z"], ["y"])]
    assert_refused(tmp_path, chain(circle, []), "form a cycle")
    pools = [
        node("GlobalAveragePool", ["c"], ["y"]),
        node("Relu", ["k"], ["c"]),
        node("Conv", ["p", "w"], ["k"]),
        node("MaxPool", ["q"], ["p"]),
        node("MaxPool", ["p"], ["q"]),
    ]
    weight = Storage().tensor("w", np.ones((2, 3, 1, 1), np.float32))
    assert_refused(tmp_path, chain(pools, [weight]), "form a cycle")
    constants = [
        *pools[:2],
        node("Conv", ["x", "d"], ["k"]),
        node("DequantizeLinear", ["d2", "w"], ["d"]),
        node("DequantizeLinear", ["d", "w"], ["d2"]),
    ]
    assert_refused(tmp_path, chain(constants, [weight]), "not a constant of the file")


def test_nested_additions(tmp_path: Path) -> None:
    """Each has two possible ways on: a search through all of them would never end."""
    nodes = [node("Add", [f"v{i + 1}", f"v{i + 1}"], [f"v{i}"]) for i in range(2000)]
    nodes += [
        node("GlobalAveragePool", ["c"], ["y"]),
        node("Relu", ["k"], ["c"]),
        node("Conv", ["v0", "w"], ["k"]),
    ]
    weight = Storage().tensor("w", np.ones((2, 3, 1, 1), np.float32))
    assert_refused(tmp_path, chain(nodes, [weight]), "expected a fire and the input of that fire")


@pytest.mark.parametrize(
    "shape", [(2**62, 4, 1, 1), (2**40, 2**40, 1, 1), (0, 5, 1, 1), (1,) * 9, (-1, 3, 1, 1)]
)
@pytest.mark.parametrize("kind", [1, 3, 6, 10, 16, 99])
@pytest.mark.parametrize("field", [4, 5, 9])
def test_hostile_shapes(tmp_path: Path, shape: tuple[int, ...], kind: int, field: int) -> None:
    bad = b"".join(entry(1, side) for side in shape) + entry(2, kind) + entry(8, "bad")

    class Changed(Exporter):
        def parameters(self, name: str) -> list[str]:
            good = super().parameters(name)
            return ["bad", good[1]] if name == "features.3.squeeze" else good

    exporter = Changed(networks.tensors(classes=3))
    exporter.tensors.append(bad + entry(field, bytes(64)))
    assert_refused(tmp_path, exporter.bytes())


def test_one_tensor_dequantized_many_times(tmp_path: Path) -> None:
    """Every layer converts the same integers to floats: far more than the file's size."""
    storage = Storage()
    big = np.zeros((300_000, 3, 1, 1), np.int8)

    class Sharing(Exporter):
        def parameters(self, name: str) -> list[str]:
            if "squeeze" not in name:
                return super().parameters(name)
            self.nodes.append(node("DequantizeLinear", ["big", "scale"], [name]))
            return [name]

    exporter = Sharing(networks.tensors(classes=3))
    exporter.tensors += [
        storage.tensor("big", big),
        storage.tensor("scale", np.ones((), np.float32)),
    ]
    assert_refused(tmp_path, exporter.bytes(), "far more memory than the file's size")
