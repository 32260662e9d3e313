"""Any change to a weights file gives WeightsError or a Checkpoint that keeps its promises."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.weights import Checkpoint, RawTensor
from sqznet.weights.checkpoint import FLOAT_SIZES, element_count

from . import torch_files as files

MAKERS = {
    "zip": files.small_zip,
    "legacy": files.small_legacy,
    "safetensors": files.small_safetensors,
}
Maker = Callable[[], bytes]
every_format = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
bounded = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def attempt(folder: Path, content: bytes) -> Checkpoint | None:
    """The Checkpoint, its promises checked; None if the file was refused as it should be."""
    path = folder / "weights"
    path.write_bytes(content)
    try:
        checkpoint = weights.read(path)
    except WeightsError as error:
        message = str(error)
    else:
        check_promises(checkpoint)
        return checkpoint
    assert str(path) in message
    # An error of another kind means that a check is missing, although it was contained.
    assert "while reading it" not in message
    return None


def check_promises(checkpoint: Checkpoint) -> None:
    for name, tensor in checkpoint.tensors.items():
        assert isinstance(name, str)
        assert isinstance(tensor, RawTensor)
        assert tensor.data.nbytes == element_count(tensor.shape) * FLOAT_SIZES[tensor.dtype]
        assert tensor.data.contiguous
        assert tensor.data.format == "B"
        assert len(bytes(tensor.data)) == tensor.data.nbytes


@every_format
def test_cut_short_anywhere(tmp_path: Path, make: Maker) -> None:
    content = make()
    step = max(1, len(content) // 250)
    for length in range(0, len(content), step):
        assert attempt(tmp_path, content[:length]) is None, length


@every_format
def test_bits_flipped_anywhere(tmp_path: Path, make: Maker) -> None:
    content = make()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        attempt(tmp_path, bytes(changed))


def test_flipped_bits_never_change_the_weights_of_an_archive(tmp_path: Path) -> None:
    content = files.small_zip()
    (tmp_path / "sound").write_bytes(content)
    expected = weights.read(tmp_path / "sound")
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 0x10
        found = attempt(tmp_path, bytes(changed))
        assert found is None or found.tensors == expected.tensors, position


@every_format
def test_bytes_replaced_removed_and_inserted(tmp_path: Path, make: Maker) -> None:
    content = make()
    source = random.Random(1)
    for _ in range(400):
        begin = source.randrange(len(content))
        end = begin + source.choice([0, 1, 4, 30])
        middle = source.choice(
            [b"", source.randbytes(8), b"\xff" * 8, bytes(8), b"\xff\xff\xff\x7f"]
        )
        attempt(tmp_path, content[:begin] + middle + content[end:])


@bounded
@given(content=st.binary(max_size=300))
def test_arbitrary_bytes(tmp_path: Path, content: bytes) -> None:
    assert attempt(tmp_path, content) is None


OPCODES = st.lists(
    st.one_of(
        st.sampled_from([bytes([opcode]) for opcode in b"(.012NJKMGUTX]laet)}dsuqrhjcRbQCB"]),
        st.sampled_from(
            [b"\x80\x02", b"\x85", b"\x86", b"\x87", b"\x88", b"\x8a\x01\x07", b"\x94"]
        ),
        st.sampled_from(
            [
                files.opcodes("storage"),
                files.name("collections", "OrderedDict").opcodes,
                files.name("torch._utils", "_rebuild_tensor_v2").opcodes,
                files.name("torch", "FloatStorage").opcodes,
                files.tensor("FloatStorage", "0", 6, (2, 3)).opcodes,
                files.opcodes("a"),
                b"h\x00",
                b"q\x00",
            ]
        ),
        st.binary(max_size=3),
    ),
    max_size=40,
)


@bounded
@given(program=OPCODES)
def test_arbitrary_pickles(tmp_path: Path, program: list[bytes]) -> None:
    content = files.Raw(b"".join(program))
    attempt(tmp_path, files.zip_file(content, {"0": (6, bytes(24))}))


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 40),
        st.integers(),
        st.sampled_from(["F32", "F16", "dtype", "labels"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["__metadata__", "dtype", "shape", "data_offsets", "labels", "a"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=20,
)


@bounded
@given(header=st.dictionaries(st.sampled_from(["a", "b", "__metadata__"]), JSON, max_size=3))
def test_arbitrary_headers(tmp_path: Path, header: dict[str, object]) -> None:
    attempt(tmp_path, files.safetensors_file(header, bytes(8)))
