"""Any change to an ONNX file gives WeightsError or a Checkpoint that keeps its promises."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqznet import weights

from . import networks
from .onnx_files import Exporter, Storage, entry, model, node, small, value_info
from .test_weights_fuzz import attempt, bounded
from .weights_refusal import assert_refused

CONTENTS = {
    "raw": small(),
    "packed": small(storage=Storage("packed", "float16")),
    "constants": small(place="constant", storage=Storage("unpacked", "float16")),
}
every_content = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)


def structure(content: bytes) -> list[int]:
    """Positions outside the tensors' numbers: those worth changing."""
    kept = []
    for name in networks.tensors(classes=3):
        at = content.find(name.encode())
        kept += range(max(0, at - 25), at + len(name) + 8)
    begin = content.find(b"node 1")
    return sorted(
        {
            *range(60),
            *kept,
            *range(begin - 40, begin + 500),
            *range(len(content) - 60, len(content)),
        }
    )


@every_content
def test_cut_short_anywhere(tmp_path: Path, content: bytes) -> None:
    # The last fields may go without harm, but for the version of the operators.
    for length in range(0, len(content) - 1, len(content) // 150):
        assert attempt(tmp_path, content[:length]) is None, length


@every_content
def test_bits_flipped(tmp_path: Path, content: bytes) -> None:
    source = random.Random(2)
    for position in source.sample(structure(content), 150):
        changed = bytearray(content)
        changed[position] ^= 1 << source.randrange(8)
        attempt(tmp_path, bytes(changed))


@every_content
def test_bytes_replaced_removed_and_inserted(tmp_path: Path, content: bytes) -> None:
    source = random.Random(3)
    positions = structure(content)
    for _ in range(120):
        begin = source.choice(positions)
        end = begin + source.choice([0, 1, 4, 30])
        middle = source.choice([b"", source.randbytes(8), b"\xff" * 9 + b"\x01", bytes(8)])
        attempt(tmp_path, content[:begin] + middle + content[end:])


@bounded
@given(content=st.binary(max_size=200))
def test_arbitrary_bytes_behind_a_version(tmp_path: Path, content: bytes) -> None:
    assert attempt(tmp_path, b"\x08\x08" + content) is None


OPS = ["Conv", "Relu", "Concat", "Add", "MaxPool", "GlobalAveragePool", "Identity", "Constant",
       "DequantizeLinear", "QuantizeLinear", "QLinearConv", "QLinearConcat", "Softmax", "Reshape",
       "ReduceMean", "Cast"]  # fmt: skip
VALUES = ["a", "b", "c", "d", "w", "q", "s", ""]
NODES = st.lists(
    st.builds(
        lambda op, inputs, output: (op, tuple(inputs), output),
        st.sampled_from(OPS),
        st.lists(st.sampled_from(VALUES), max_size=4),
        st.sampled_from(["b", "c", "d", "e", "f"]),
    ),
    max_size=6,
    unique_by=lambda item: item[2],
)


@bounded
@given(nodes=NODES, output=st.sampled_from(["b", "c", "d", "e", "f", "a"]))
def test_arbitrary_graphs(
    tmp_path: Path, nodes: list[tuple[str, tuple[str, ...], str]], output: str
) -> None:
    storage = Storage()
    tensors = [
        storage.tensor("w", np.ones((1, 3, 3, 3), np.float32)),
        storage.tensor("q", np.ones((2, 3, 1, 1), np.int8)),
        storage.tensor("s", np.ones((), np.float32)),
    ]
    made = [node(op, inputs, [result]) for op, inputs, result in nodes]
    ends = [value_info("a", (1, 3, 8, 8))], [value_info(output, (1, 2))]
    assert attempt(tmp_path, model(made, tensors, *ends)) is None


# --- Hostile files ---------------------------------------------------------------------------


def chain(nodes: list[bytes], tensors: list[bytes]) -> bytes:
    return model(nodes, tensors, [value_info("x", (1, 3, 8, 8))], [value_info("y", (1, 2))])


def test_circles(tmp_path: Path) -> None:
    circle = [node("Identity", ["y"], ["z"]), node("Relu", ["z"], ["y"])]
    assert_refused(tmp_path, chain(circle, []), "go in a circle")
    pools = [
        node("GlobalAveragePool", ["c"], ["y"]),
        node("Relu", ["k"], ["c"]),
        node("Conv", ["p", "w"], ["k"]),
        node("MaxPool", ["q"], ["p"]),
        node("MaxPool", ["p"], ["q"]),
    ]
    weight = Storage().tensor("w", np.ones((2, 3, 1, 1), np.float32))
    assert_refused(tmp_path, chain(pools, [weight]), "go in a circle")
    constants = [
        *pools[:2],
        node("Conv", ["x", "d"], ["k"]),
        node("DequantizeLinear", ["d2", "w"], ["d"]),
        node("DequantizeLinear", ["d", "w"], ["d2"]),
    ]
    assert_refused(tmp_path, chain(constants, [weight]), "no constant of the file")


def test_sums_nested_in_sums(tmp_path: Path) -> None:
    """Each with two ways to go on: a walk that tried them all would never end."""
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


def test_one_tensor_de_quantised_many_times(tmp_path: Path) -> None:
    """Every layer makes its own floats of the same integers: far more than the file's size."""
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
    assert_refused(tmp_path, exporter.bytes(), "far more memory than the file's own size")


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    """The contents that the tests above damage are sound to begin with."""
    for content in CONTENTS.values():
        (tmp_path / "net.onnx").write_bytes(content)
        assert weights.read(tmp_path / "net.onnx").variant == "squeezenet1_1"
