"""Networks of integers that round bytes and logits further: the same bits as the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels, weights
from sqznet.network.variants import Wiring
from sqznet.quantization import reference
from sqznet.quantization.integers import integer_convs
from sqznet.quantization.plan import plan

from ..support import networks
from ..support.int8_onnx_files import Int8Exporter

SETS = [n for n, families, runs, _ in _kernels.instruction_sets() if "int8" in families and runs]
X = networks.inputs(7, 3, 66, 75)

FILES: dict[str, tuple[dict[str, Any], Wiring]] = {
    "halves": ({}, Wiring()),
    "every map": ({"kind": "int8", "is_symmetric": True}, Wiring()),
    "padded": ({}, Wiring(conv1_padding=1, conv10_padding=2, ceil_mode=False)),
    "bypass": ({"bypass": "simple"}, Wiring()),
    "sums averaged": ({"rounds_last": False}, Wiring(conv10_padding=1)),
    "sums without ReLU": ({"rounds_last": False}, Wiring(conv10_relu=False)),
}


@pytest.mark.parametrize(("options", "wiring"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("isa", SETS)
def test_logits_and_maps_are_the_reference_s(
    tmp_path: Path, isa: str, options: dict[str, Any], wiring: Wiring
) -> None:
    path = tmp_path / "net.onnx"
    made = networks.tensors(seed=4, classes=70, bypass=options.get("bypass", ""))
    path.write_bytes(Int8Exporter(made, x=X, **options).bytes())
    checkpoint = weights.read(path)
    network = checkpoint.network(wiring=wiring)
    assert checkpoint.integers is not None
    planned = plan(network, checkpoint.integers)
    assert planned.rounds_again

    def weight(name: str) -> Any:
        tensor = checkpoint.tensors[f"{name}.weight"]
        return np.frombuffer(tensor.floats().data, "<f4").reshape(tensor.shape)

    convs = integer_convs(planned, weight)
    (grid,) = checkpoint.activations["input"]
    steps = np.rint(X / np.float32(grid.scale)) + grid.zero_point
    levels = np.clip(steps, max(grid.low, -127), grid.high) - min(grid.low, 0)
    if options.get("is_symmetric"):
        levels = np.clip(steps, -128, 127) + 128
    x = np.ascontiguousarray(np.moveaxis(levels, 1, -1)).astype(np.uint8)
    outputs = reference.layer_outputs(network, convs, planned, x)
    settings = {name: value for name, value in wiring._asdict().items() if name != "activation"}
    del settings["softmax"]
    assert len(np.unique(outputs["logits"])) > 20
    for threads in (1, 2, 3):
        model = sqznet.load(path, isa=isa, threads=threads, **settings)
        assert model.precision == "int8"
        assert model.logits(X).tobytes() == outputs["logits"].tobytes()
    workspace = model.executor.acquire(*X[:1].shape[:1], 66, 75, keep=("features.12",))
    try:
        np.asarray(workspace.input)[...] = x[:1]
        workspace.run()
        found = np.asarray(workspace.outputs["features.12"])
        np.testing.assert_array_equal(found, outputs["features.12"][:1])
    finally:
        model.executor.release(workspace)


def test_one_thread_of_many_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(Int8Exporter(networks.tensors(seed=4), x=X).bytes())
    model = sqznet.load(path, threads=2)
    assert model.alone().logits(X).tobytes() == model.logits(X).tobytes()
