"""Content with a valid outer structure and arbitrary contents."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import strategies as st

from ..support import caffe_files, npz_files
from ..support import torch_files as files
from ..support.onnx_files import Storage, model, node, value_info
from .harness import attempt, every_length, fuzz


@pytest.mark.parametrize("start", [b"", b"\x08\x08"], ids=["nothing", "onnx"])
@every_length
def test_arbitrary_bytes(start: bytes, examples: int) -> None:
    def refused(content: bytes) -> None:
        assert attempt(start + content) is None

    fuzz(refused, st.binary(max_size=300), examples)


OPCODES = st.lists(
    st.one_of(
        st.sampled_from([bytes([opcode]) for opcode in b"(.012NJKMGUTX]laet)}dsuqrhjcRbQCB"]),
        st.sampled_from(
            [b"\x80\x02", b"\x81", b"\x85", b"\x86", b"\x87", b"\x88", b"\x8a\x01\x07", b"\x94"]
        ),
        st.sampled_from(
            [
                files.opcodes("storage"),
                files.name("collections", "OrderedDict").opcodes,
                files.name("argparse", "Namespace").opcodes,
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


@every_length
def test_torch_pickles(examples: int) -> None:
    def read(program: list[bytes]) -> None:
        attempt(files.zip_file(files.Raw(b"".join(program)), {"0": (6, bytes(24))}))

    fuzz(read, OPCODES, examples)


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


@every_length
def test_safetensors_headers(examples: int) -> None:
    headers = st.dictionaries(st.sampled_from(["a", "b", "__metadata__"]), JSON, max_size=3)
    fuzz(lambda header: attempt(files.safetensors_file(header, bytes(8))), headers, examples)


# Valid metadata, in every format that has it.
STATED = st.dictionaries(
    st.sampled_from(["preprocessing", "wiring"]),
    st.dictionaries(
        st.sampled_from(["fit", "resize", "size", "mean", "std", "ceil_mode", "conv1_padding"]),
        st.one_of(JSON, st.floats(), st.lists(st.one_of(st.floats(), st.integers()), max_size=3)),
    ),
)


@every_length
def test_metadata(examples: int) -> None:
    def read(stated: dict[str, object]) -> None:
        texts = {key: json.dumps(value) for key, value in stated.items()}
        attempt(files.safetensors_file({"__metadata__": texts}))

    fuzz(read, STATED, examples)


WORDS = "{ } 'descr' '<f4' '|O' 'fortran_order' True False 'shape' ( ) (2,3) (3,) () , : 2 L \\ \0"


@every_length
@pytest.mark.parametrize("form", ["%s", "{'descr': '<f4', 'fortran_order': True, 'shape': %s}"])
def test_npz_headers(form: str, examples: int) -> None:
    def read(pieces: list[str]) -> None:
        header = npz_files.array_bytes(form % "".join(pieces))
        attempt(npz_files.archive({"a.npy": header}))

    pieces = st.one_of(st.sampled_from(WORDS.split(" ")), st.characters(max_codepoint=255))
    fuzz(read, st.lists(pieces, max_size=16), examples)


TOKENS = (
    "layer { } name : type bottom top 'a' \"b\" [ ] , ; # \n 3 -1 0x7 1e9 .5f input_param shape "
    "convolution_param pooling_param kernel_size num_output dim 'Convolution' true < > \\ \x01"
)


@every_length
def test_prototxt_tokens(examples: int) -> None:
    content = caffe_files.small_bare()

    def read(tokens: list[str]) -> None:
        text = " ".join(tokens).encode()
        attempt(content, "net.caffemodel", {"net.prototxt": text})

    fuzz(read, st.lists(st.sampled_from(TOKENS.split(" ")), min_size=1, max_size=40), examples)


OPS = ["Conv", "Relu", "Concat", "Add", "MaxPool", "GlobalAveragePool", "Identity", "Constant",
       "DequantizeLinear", "QuantizeLinear", "QLinearConv", "QLinearConcat", "QLinearSoftmax",
       "Softmax", "Reshape", "ReduceMean", "Cast"]  # fmt: skip
VALUES = ["a", "b", "c", "d", "w", "q", "s", ""]
RESULTS = st.sampled_from(["b", "c", "d", "e", "f"])
NODES = st.lists(
    st.tuples(st.sampled_from(OPS), st.lists(st.sampled_from(VALUES), max_size=4), RESULTS),
    max_size=6,
    unique_by=lambda item: item[2],
)


@every_length
def test_onnx_graphs(examples: int) -> None:
    storage = Storage()
    tensors = [
        storage.tensor("w", np.ones((1, 3, 3, 3), np.float32)),
        storage.tensor("q", np.ones((2, 3, 1, 1), np.int8)),
        storage.tensor("s", np.ones((), np.float32)),
    ]

    def refused(drawn: tuple[list[tuple[str, list[str], str]], str]) -> None:
        nodes = [node(op, inputs, [result]) for op, inputs, result in drawn[0]]
        ends = [value_info("a", (1, 3, 8, 8))], [value_info(drawn[1], (1, 2))]
        assert attempt(model(nodes, tensors, *ends)) is None

    fuzz(refused, st.tuples(NODES, RESULTS), examples)
