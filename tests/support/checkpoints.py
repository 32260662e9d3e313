"""Compares what weights files hold."""

from __future__ import annotations

from sqznet.weights import Checkpoint


def contents(checkpoint: Checkpoint) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Element type, shape and bytes of every tensor."""
    return {
        name: (tensor.dtype, tensor.shape, bytes(tensor.data))
        for name, tensor in checkpoint.tensors.items()
    }


def assert_same_tensors(found: Checkpoint, expected: Checkpoint) -> None:
    assert found.tensors.keys() == expected.tensors.keys()
    mine, theirs = contents(found), contents(expected)
    for name in mine:
        assert mine[name] == theirs[name], name
