"""Any damage to a weights file gives WeightsError or a Checkpoint that keeps its promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from ..support import (
    caffe_files,
    detectors,
    integer_networks,
    layer_lists,
    ncnn_files,
    networks,
    npz_files,
    squeezedet_files,
    torch_files,
)
from ..support.compressed_files import compressed_file
from ..support.deep_compression_files import deep_file
from ..support.onnx_files import Exporter, Rounding, Storage
from ..support.onnx_files import small as small_onnx
from ..weights.test_exported import EXPORTED
from ..weights.test_onnx_folding import Folded
from .damage import Edit, damaged, edits
from .harness import attempt, every_length, fuzz


class Seed(NamedTuple):
    """The files of one network by name: the one to damage, and the one to read."""

    files: Mapping[str, bytes]
    harmed: str
    given: str


def alone(make: Callable[[], bytes]) -> Callable[[], Seed]:
    return lambda: Seed({"weights": make()}, "weights", "weights")


def npz(save: Callable[..., None]) -> bytes:
    return npz_files.saved(npz_files.small(), save)


def squeezedet() -> bytes:
    return npz_files.saved(squeezedet_files.variables(squeezedet_files.layers()), np.savez)


def with_prototxt() -> Seed:
    layers = layer_lists.squeezenet(networks.tensors(classes=3))
    files = {
        "net.prototxt": caffe_files.prototxt(layers).encode(),
        "net.caffemodel": caffe_files.small_bare(),
    }
    return Seed(files, "net.prototxt", "net.caffemodel")


def ncnn(harmed: str, stored: str = "float32") -> Seed:
    description, data = ncnn_files.small(stored)
    return Seed({"net.param": description, "net.bin": data}, harmed, harmed)


def onnx_with_data(harmed: str) -> Seed:
    storage = Storage("external")
    content = Exporter(networks.tensors(classes=3), storage=storage).bytes()
    return Seed(
        {storage.location: bytes(storage.external), "net.onnx": content}, harmed, "net.onnx"
    )


def folded(scale: str) -> bytes:
    made = networks.tensors(classes=3)
    return Folded(made, bias="Reshape", scale=scale, before=scale).bytes()


SEEDS: Mapping[str, Callable[[], Seed]] = {
    "torch-zip": alone(torch_files.small_zip),
    "torch-legacy": alone(torch_files.small_legacy),
    "safetensors": alone(torch_files.small_safetensors),
    "safetensors-int8": alone(integer_networks.small_file),
    "npz-squeezedet": alone(squeezedet),
    "safetensors-detector": alone(
        lambda: networks.safetensors(detectors.tensors(), detectors.metadata())
    ),
    "npz": alone(partial(npz, np.savez)),
    "npz-compressed": alone(partial(npz, np.savez_compressed)),
    "onnx-raw": alone(small_onnx),
    "onnx-packed": alone(partial(small_onnx, storage=Storage("packed", "float16"))),
    "onnx-constants": alone(
        partial(small_onnx, place="constant", storage=Storage("unpacked", "float16"))
    ),
    "onnx-quantized": alone(lambda: Rounding(networks.tensors(classes=3), weights=True).bytes()),
    "onnx-folded": alone(lambda: folded("BatchNormalization")),
    "onnx-dynamic": alone(lambda: (EXPORTED / "onnxruntime_dynamic.onnx").read_bytes()),
    "onnx-external": partial(onnx_with_data, "net.onnx"),
    "onnx-external-data": partial(onnx_with_data, "weights.data"),
    "caffe": alone(caffe_files.small),
    "caffe-old": alone(partial(caffe_files.small, old=True)),
    "caffe-bare": alone(caffe_files.small_bare),
    "prototxt": with_prototxt,
    "ncnn-param": partial(ncnn, "net.param"),
    "ncnn-int8-param": partial(ncnn, "net.param", "int8"),
    "ncnn-bin": partial(ncnn, "net.bin"),
    "ncnn-table-bin": partial(ncnn, "net.bin", "table"),
    "ncnn-int8-bin": partial(ncnn, "net.bin", "int8"),
    "compressed": alone(compressed_file),
    "deep-compression": alone(partial(deep_file, {}, default=40)),
}


def read(seed: Seed, changes: list[Edit]) -> bool:
    """Whether the files, one of them damaged, are still accepted as a network."""
    files = {**seed.files, seed.harmed: damaged(seed.files[seed.harmed], changes)}
    return attempt(files[seed.given], seed.given, files) is not None


@every_length
@pytest.mark.parametrize("make", SEEDS.values(), ids=SEEDS)
def test_damage(make: Callable[[], Seed], examples: int) -> None:
    seed = make()
    assert read(seed, [])
    outcomes = set()
    changes = edits(seed.files[seed.harmed])
    fuzz(lambda changes: outcomes.add(read(seed, changes)), changes, examples)
    assert False in outcomes


@pytest.mark.parametrize("name", ["torch-zip", "npz", "npz-compressed"])
def test_no_bit_of_an_archive_changes_its_weights_unnoticed(name: str) -> None:
    """Checksums protect every tensor; only a name or metadata may change."""

    def values(content: bytes) -> set[bytes]:
        found = attempt(content)
        return {bytes(tensor.data) for tensor in found.tensors.values()} if found else set()

    content = SEEDS[name]().files["weights"]
    expected = values(content)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        assert values(bytes(changed)) <= expected, position


@pytest.mark.parametrize("name", ["torch-zip", "torch-legacy", "safetensors", "npz", "onnx-raw"])
def test_a_file_truncated_anywhere_is_refused(name: str) -> None:
    content = SEEDS[name]().files["weights"]
    for length in range(0, len(content) - 1, max(1, len(content) // 200)):
        assert attempt(content[:length]) is None, length
