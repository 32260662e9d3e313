"""Reading valid files: the bundled one, real ones, and small ones."""

from __future__ import annotations

import csv
import json
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.images.preprocessing import PRESETS
from sqznet.weights import Checkpoint, RawTensor

from ..support import torch_files as files
from ..support.checkpoints import assert_same_tensors
from ..support.tools import load_tool

CODES = {"float16": "e", "float32": "f", "float64": "d"}


def values(tensor: RawTensor) -> list[float]:
    count = tensor.data.nbytes // struct.calcsize(CODES[tensor.dtype])
    return list(struct.unpack(f"<{count}{CODES[tensor.dtype]}", tensor.data))


def read_bytes(folder: Path, content: bytes) -> Checkpoint:
    path = folder / "weights.bin"  # the content determines the format, not the name
    path.write_bytes(content)
    return weights.read(path)


def assert_small(checkpoint: Checkpoint) -> None:
    """Checks that the checkpoint has files.TENSORS."""
    assert set(checkpoint.tensors) == set(files.TENSORS)
    for name, (_, shape, expected) in files.TENSORS.items():
        assert checkpoint.tensors[name].shape == shape
        assert values(checkpoint.tensors[name]) == list(expected)


def test_a_tensor_is_checked() -> None:
    tensor = RawTensor("float16", (2, 3), memoryview(bytes(12)))
    for changes, message in (
        ({"dtype": "int8"}, "element type 'int8', expected one of float16"),
        ({"dtype": "float32"}, r"a float32 tensor of shape \(2, 3\) has 12 bytes, expected 24"),
        ({"shape": (1,) * 9}, "a tensor of 9 dimensions, expected 8 at most"),
        ({"data": memoryview(b"")}, "has 0 bytes, expected 12"),
    ):
        with pytest.raises(WeightsError, match=message):
            RawTensor(**{**vars(tensor), **changes})


def test_int8_weights_with_a_scale_for_each_output_channel() -> None:
    integers = np.array([[-128, 0, 5], [127, -1, 3]], np.int8)
    scales = np.array([0.1, -3e38], np.float32)
    tensor = RawTensor(
        "int8", (2, 3, 1), memoryview(integers.tobytes()), memoryview(scales).cast("B")
    )
    floats = tensor.floats()
    assert (floats.dtype, floats.shape, floats.scales) == ("float32", (2, 3, 1), None)
    with np.errstate(over="ignore"):
        expected = integers.astype(np.float32) * scales[:, None]
    assert bytes(floats.data) == expected.tobytes()
    assert floats.floats() is floats
    assert bytes(tensor.channel(1).floats().data) == expected[1].tobytes()
    assert bytes(floats.channel(1).data) == expected[1].tobytes()
    for changes in (
        {"scales": memoryview(bytes(4))},
        {"shape": (3, 2)},
        {"dtype": "float32", "data": memoryview(bytes(24))},
    ):
        with pytest.raises(WeightsError, match="has scales, expected a float32 for each"):
            RawTensor(**{**vars(tensor), **changes})


# The bundled checkpoint


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """The shapes of SqueezeNet 1.1, from the paper's table of fire modules."""
    fires = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128)}
    fires |= {9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}
    convolutions = {"features.0": (64, 3, 3, 3), "classifier.1": (1000, 512, 1, 1)}
    for index, (channels, squeeze, expand) in fires.items():
        convolutions[f"features.{index}.squeeze"] = (squeeze, channels, 1, 1)
        convolutions[f"features.{index}.expand1x1"] = (expand, squeeze, 1, 1)
        convolutions[f"features.{index}.expand3x3"] = (expand, squeeze, 3, 3)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in convolutions.items():
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]
    return shapes


def test_bundled_checkpoint_is_squeezenet_1_1_in_float16() -> None:
    checkpoint = weights.bundled()
    found = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    assert found == expected_shapes()
    assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {"float16"}
    assert sum(tensor.data.nbytes for tensor in checkpoint.tensors.values()) == 2 * 1_235_496
    assert checkpoint.format == "safetensors"
    assert checkpoint.variant == "squeezenet1_1"


def test_bundled_checkpoint_states_its_preprocessing_and_origin() -> None:
    checkpoint = weights.bundled()
    assert checkpoint.preprocessing == PRESETS["squash-bgr"]
    assert checkpoint.labels == weights.imagenet_labels()
    provenance = json.loads(checkpoint.metadata["provenance"])
    assert "MIT" in provenance["package"]
    assert len(provenance["package_sha256"]) == len(provenance["file_sha256"]) == 64


def test_bundled_values_are_the_float32_ones_rounded(shared: Path) -> None:
    full = weights.read(shared / "weights" / "squeezenet1_1.safetensors")
    for name, tensor in weights.bundled().tensors.items():
        original = values(full.tensors[name])
        assert tensor.data == struct.pack(f"<{len(original)}e", *original), name


def test_bundled_weights_are_finite() -> None:
    for name, tensor in weights.bundled().tensors.items():
        assert max(map(abs, values(tensor))) < 8, name


def test_reading_the_bundled_checkpoint_imports_nothing_heavy() -> None:
    program = (
        "import sys; from sqznet import weights; weights.bundled(); weights.imagenet_labels(); "
        "print(*{'numpy', 'torch', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


# Labels


def test_labels_are_a_thousand_different_names() -> None:
    labels = weights.imagenet_labels()
    assert len(labels) == len(set(labels)) == 1000
    assert all(label.isprintable() and label == label.strip() != "" for label in labels)
    known = {0: "tench", 1: "goldfish", 207: "golden retriever", 285: "Egyptian cat"}
    known |= {134: "crane bird", 517: "crane", 999: "toilet tissue"}
    assert {index: labels[index] for index in known} == known


def test_labels_match_the_names_of_real_photos(shared: Path) -> None:
    labels = weights.imagenet_labels()
    with open(shared / "reference" / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 250
    for row in rows:
        name = row["file"].removesuffix(".JPEG").split("_", 1)[1].replace("_", " ")
        assert labels[int(row["class_index"])] == name


# Real files in every format


@pytest.mark.parametrize("name", ["squeezenet1_1.pth", "squeezenet1_1.legacy.pth"])
def test_real_torch_files_have_the_tensors_of_the_safetensors_file(shared: Path, name: str) -> None:
    checkpoint = weights.read(shared / "weights" / name)
    reference = weights.read(shared / "weights" / "squeezenet1_1.safetensors")
    assert_same_tensors(checkpoint, reference)
    assert checkpoint.format == "torch"
    assert checkpoint.preprocessing == reference.preprocessing == PRESETS["torchvision"]
    assert checkpoint.labels is None
    assert checkpoint.path.endswith(name)


def test_real_squeezenet_1_0(shared: Path) -> None:
    tensors = weights.read(shared / "weights" / "squeezenet1_0.pth").tensors
    assert tensors["features.0.weight"].shape == (96, 3, 7, 7)
    assert sum(tensor.data.nbytes for tensor in tensors.values()) == 4 * 1_248_424


# Small files


@pytest.mark.parametrize("make", [files.small_zip, files.small_legacy, files.small_safetensors])
def test_small_files(tmp_path: Path, make: object) -> None:
    assert callable(make)
    assert_small(read_bytes(tmp_path, make()))


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_state_dict_within_a_training_checkpoint(tmp_path: Path, key: str) -> None:
    state, storages = files.parts(files.TENSORS)
    content = {"epoch": 3, "arch": "squeezenet1_0", key: state, "optimizer": {0: 1}}
    checkpoint = read_bytes(tmp_path, files.zip_file(content, storages))
    assert set(checkpoint.tensors) == {f"{key}.{name}" for name in files.TENSORS}
    assert checkpoint.variant == "squeezenet1_0"


def test_names_that_do_not_share_a_prefix_stay(tmp_path: Path) -> None:
    specs = {"model.features.0.weight": files.TENSORS["features.0.weight"]}
    specs["criterion.weight"] = files.TENSORS["features.0.bias"]
    found = read_bytes(tmp_path, files.zip_file(*files.parts(specs)))
    assert set(found.tensors) == set(specs)


def test_other_data_of_training_scripts(tmp_path: Path) -> None:
    """torchvision's own script stores its options, and others the best score as a NumPy number."""
    state, storages = files.parts(files.TENSORS)
    options = files.Raw(files.name("argparse", "Namespace").opcodes + b")\x81")
    options = files.Raw(options.opcodes + files.opcodes({"lr": 1, "arch": "squeezenet1_1"}) + b"b")
    dtype = files.Raw(files.call("numpy", "dtype", "f8").opcodes + files.opcodes((3, "<")) + b"b")
    text = files.call("_codecs", "encode", "score", "latin1")
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        score = files.call(module, "scalar", dtype, text)
        content = {"args": options, "best": score, **state}
        assert_small(read_bytes(tmp_path, files.zip_file(content, storages)))


def test_counters_are_ignored(tmp_path: Path) -> None:
    specs = {**files.TENSORS, "features.1.num_batches_tracked": ("LongStorage", (), [7])}
    assert_small(read_bytes(tmp_path, files.zip_file(*files.parts(specs))))


def test_storages_without_checksum(tmp_path: Path) -> None:
    """torch has an option to write zeros instead of checksums."""
    content = bytearray(files.small_zip())
    position = content.find(b"PK\x01\x02")
    while position >= 0:
        content[position + 16 : position + 20] = bytes(4)
        position = content.find(b"PK\x01\x02", position + 4)
    assert_small(read_bytes(tmp_path, bytes(content)))


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((2, 3, 2, 2), (12, 1, 6, 3), 0),  # channels last
        ((4, 5), (1, 4), 0),
        ((3, 4), (5, 1), 2),
        ((2, 2, 3), (2, 1, 4), 1),
        ((7, 1), (3, 100), 0),
        ((0, 3), (9, 9), 0),
    ],
)
def test_strided_tensors_come_out_in_c_order(
    tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    stored = [float(value) for value in range(24)]
    state = {"features.0.weight": files.tensor("FloatStorage", "k", 24, shape, strides, offset)}
    storages = {"k": (24, files.packed("FloatStorage", stored))}
    tensor = read_bytes(tmp_path, files.zip_file(state, storages)).tensors["features.0.weight"]

    expected = [float(offset)]
    for size, stride in zip(shape, strides, strict=True):
        expected = [value + stride * index for value in expected for index in range(size)]
    assert tensor.shape == shape
    assert values(tensor) == expected


def test_two_tensors_may_share_a_storage(tmp_path: Path) -> None:
    state = {
        "a": files.tensor("FloatStorage", "k", 5, (2,), offset=1),
        "b": files.tensor("FloatStorage", "k", 5, (2,), offset=3),
    }
    storages = {"k": (5, files.packed("FloatStorage", [0, 1, 2, 3, 4]))}
    tensors = read_bytes(tmp_path, files.zip_file(state, storages)).tensors
    assert values(tensors["a"]) == [1, 2]
    assert values(tensors["b"]) == [3, 4]


def test_safetensors_metadata(tmp_path: Path) -> None:
    metadata = {
        "preprocessing": json.dumps(PRESETS["caffe"].to_dict()),
        "labels": '["cat", "dog"]',
        "note": "x",
    }
    checkpoint = read_bytes(tmp_path, files.safetensors_file({"__metadata__": metadata}))
    assert checkpoint.preprocessing == PRESETS["caffe"]
    assert checkpoint.labels == ("cat", "dog")
    assert checkpoint.metadata == metadata
    assert checkpoint.variant is None


# The script that makes the bundled file

tool = partial(load_tool, "make_bundled_weights")


def test_serialization_is_unique(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    script = tool()
    layers = {
        "conv1": (np.arange(18, dtype="<f4").reshape(3, 3, 1, 2), np.zeros(2, "<f4")),
        "fire2/squeeze1x1": (np.ones((1, 1, 2, 3), "<f4"), np.ones(3, "<f4")),
    }
    backwards = dict(reversed(layers.items()))
    first = script.serialize(script.convert(layers), {"a": "1", "b": "2"})
    second = script.serialize(script.convert(backwards), {"b": "2", "a": "1"})
    assert first == second
    tensors = read_bytes(tmp_path, first).tensors
    assert tensors["features.0.weight"].shape == (2, 1, 3, 3)
    assert values(tensors["features.0.weight"]) == [*range(0, 18, 2), *range(1, 18, 2)]
    assert tensors["features.3.squeeze.weight"].shape == (3, 2, 1, 1)


def test_the_script_writes_the_bundled_file() -> None:
    """Its tensors and metadata, serialized again, give the same bytes."""
    np = pytest.importorskip("numpy")
    script = tool()
    checkpoint = weights.bundled()
    tensors = {
        name: np.frombuffer(tensor.data, "<f2").reshape(tensor.shape)
        for name, tensor in checkpoint.tensors.items()
    }
    assert json.loads(checkpoint.metadata["preprocessing"]) == script.PREPROCESSING
    assert json.loads(checkpoint.metadata["provenance"]) == script.provenance()
    written = script.serialize(tensors, checkpoint.metadata)
    assert written == (script.DATA / "squeezenet1_1.safetensors").read_bytes()


def test_script_refuses_values_beyond_float16() -> None:
    np = pytest.importorskip("numpy")
    for value in (1e5, float("nan"), float("inf")):
        with pytest.raises(SystemExit, match="float16"):
            tool().to_half(np.array([1.0, value], "<f4"), "conv1 bias")


def test_script_unpickles_nothing_but_arrays() -> None:
    pytest.importorskip("numpy")
    with pytest.raises(SystemExit, match=r"os\.system"):
        tool().keras_layers(files.pickled({"conv1": files.call("os", "system", "true")}))
