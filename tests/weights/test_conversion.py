"""Converting: what every format keeps, and which other programs can read the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import convert, weights
from sqznet.images.preprocessing import PRESETS
from sqznet.network.variants import Wiring

from ..support import networks
from ..support.checkpoints import contents
from ..support.convert_files import LABELS, PADDED, assert_same, cast, source_file
from ..support.places import EXAMPLES

ENDINGS = (".safetensors", ".npz", ".pth", ".onnx")
PLAIN = Wiring()._asdict()
NETWORKS = [
    ("squeezenet1_0", "", PADDED),
    ("squeezenet1_0", "complex", PLAIN),
    ("squeezenet1_1", "", PLAIN),
    ("squeezenet1_1", "simple", PADDED),
    ("squeezenet1_1", "complex", PADDED),
]
every_network = pytest.mark.parametrize(("base", "bypass", "wiring"), NETWORKS)
every_ending = pytest.mark.parametrize("ending", ENDINGS)


# --- What is kept ------------------------------------------------------------------------------


@every_ending
@every_network
def test_every_format_keeps_everything(
    tmp_path: Path, base: str, bypass: str, wiring: dict[str, Any], ending: str
) -> None:
    source = source_file(tmp_path, base, bypass, wiring)
    target = tmp_path / f"target{ending}"
    done = convert(source, target)
    assert weights.read(source).wiring._asdict() == wiring
    assert_same(source, target)
    checkpoint = weights.read(target)
    assert checkpoint.format == done.format == {".pth": "torch"}.get(ending, ending[1:])
    assert checkpoint.labels == LABELS
    assert checkpoint.preprocessing.size == (63, 66)
    assert checkpoint.variant == done.variant
    assert done.nbytes == target.stat().st_size
    assert done.parameters == sum(len(data) // 4 for _, _, data in contents(checkpoint).values())


@pytest.mark.parametrize("dtypes", [["F32"], ["F16"], ["F16", "F32", "F64"]])
def test_a_way_through_all_formats_ends_with_the_same_bytes(
    tmp_path: Path, dtypes: list[str]
) -> None:
    path = source_file(tmp_path, bypass="complex", wiring={**PADDED, "softmax": False})
    cast(path, dtypes)
    found = []
    for step, ending in enumerate((*ENDINGS, ENDINGS[0], ENDINGS[3], ENDINGS[1], ENDINGS[0])):
        path, before = tmp_path / f"{step}{ending}", path
        convert(before, path)
        if ending == ENDINGS[0]:
            found.append(path.read_bytes())
    assert len(found) == 3
    assert set(found) == {found[0]}


@every_ending
def test_bfloat16_stays_or_is_widened_without_loss(tmp_path: Path, ending: str) -> None:
    source = cast(source_file(tmp_path), ["BF16"])
    target = tmp_path / f"target{ending}"
    convert(source, target)
    if ending != ".npz":
        assert_same(source, target)
        return
    for name, (dtype, _, data) in contents(weights.read(target)).items():
        half = np.frombuffer(weights.read(source).tensors[name].data, "<u2")
        assert dtype == "float32"
        assert (np.frombuffer(data, "<u4") == half.astype("<u4") << 16).all()


def test_a_bare_state_dict_gets_the_assumed_metadata(tmp_path: Path) -> None:
    source = networks.save(tmp_path / "bare.safetensors", networks.tensors())
    convert(source, tmp_path / "bare.pt")
    checkpoint = weights.read(tmp_path / "bare.pt")
    assert checkpoint.preprocessing == PRESETS["torchvision"]
    assert checkpoint.labels is None
    assert checkpoint.variant == "squeezenet1_1"
    assert checkpoint.reasons["ceil_mode"] == "the file's metadata"
    assert weights.read(source).reasons["ceil_mode"] == "the default for safetensors files"


@every_ending
def test_the_bundled_weights_give_the_same_answer(
    tmp_path: Path, coarse: Path, ending: str
) -> None:
    target = tmp_path / f"bundled{ending}"
    convert(coarse, target)
    photo = EXAMPLES / "coffee.jpg"
    assert sqznet.load(target).classify(photo) == sqznet.load(coarse).classify(photo)
    assert target.stat().st_size < 2.8e6  # still float16


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        *(("squeezenet1_0.pth", ending) for ending in ENDINGS),
        ("squeezenet1_0.caffemodel", ".npz"),
        ("squeezenet1_1.keras.h5", ".safetensors"),
    ],
)
def test_real_files_keep_everything(shared: Path, tmp_path: Path, name: str, ending: str) -> None:
    if name.endswith(".h5"):
        pytest.importorskip("h5py", reason="h5py is not installed")
    target = tmp_path / f"target{ending}"
    convert(shared / "weights" / name, target)
    assert_same(shared / "weights" / name, target)


# --- What other programs read ------------------------------------------------------------------


@every_network
def test_onnxruntime_gives_the_same_logits(
    tmp_path: Path, base: str, bypass: str, wiring: dict[str, Any]
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    source = source_file(tmp_path, base, bypass, wiring)
    target = tmp_path / "target.onnx"
    convert(source, target)
    onnx.checker.check_model(str(target), full_check=True)
    x = networks.inputs(1, 3, 63, 66)
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["logits"]
    (found,) = session.run(None, {"input": x})
    expected = sqznet.load(source).logits(x)
    assert found.shape == expected.shape == (3, len(LABELS))
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F64"])
def test_onnxruntime_runs_other_precisions(tmp_path: Path, dtype: str) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    source = cast(source_file(tmp_path), [dtype])
    target = tmp_path / "target.onnx"
    convert(source, target)
    onnx.checker.check_model(str(target), full_check=True)
    x = networks.inputs(2, 1, 63, 66)
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    expected = sqznet.load(source).logits(x)
    assert np.abs(session.run(None, {"input": x})[0] - expected).max() <= 1e-4 * expected.max()


def test_the_onnx_metadata_have_a_prefix(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    convert(source_file(tmp_path), tmp_path / "target.onnx")
    model = onnx.load(tmp_path / "target.onnx")
    entries = {entry.key: entry.value for entry in model.metadata_props}
    ours = {f"sqznet.{key}" for key in ("variant", "preprocessing", "labels", "wiring")}
    assert entries.keys() == {*ours, "provenance"}
    assert tuple(json.loads(entries["sqznet.labels"])) == LABELS
    assert json.loads(entries["sqznet.wiring"]) == {**PADDED, "softmax": False}


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64"])
def test_torch_loads_a_state_dict(tmp_path: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    source = cast(source_file(tmp_path, bypass="complex"), [dtype])
    target = tmp_path / "target.pth"
    convert(source, target)
    state = torch.load(target, weights_only=True)
    expected = weights.read(source).tensors
    assert set(state) == set(expected)
    for name, tensor in state.items():
        assert tuple(tensor.shape) == expected[name].shape
        assert str(tensor.dtype) == f"torch.{expected[name].dtype}"
        assert tensor.is_contiguous()
        assert tensor.view(torch.uint8).numpy().tobytes() == bytes(expected[name].data)
    # A module accepts it as it is: every entry is a tensor.
    stem = torch.nn.Conv2d(3, networks.STEM_CHANNELS, 3)
    part = {key: state[f"features.0.{key}"] for key in ("weight", "bias")}
    stem.load_state_dict(part)


def test_numpy_loads_an_archive_without_pickle(tmp_path: Path) -> None:
    source = source_file(tmp_path)
    convert(source, tmp_path / "target.npz")
    with np.load(tmp_path / "target.npz", allow_pickle=False) as arrays:
        entries = json.loads(str(arrays["__metadata__"]))
        assert tuple(json.loads(entries["labels"])) == LABELS
        for name, tensor in weights.read(source).tensors.items():
            assert arrays[name].dtype == np.float32
            assert arrays[name].shape == tensor.shape
            assert arrays[name].tobytes() == bytes(tensor.data)


def test_the_safetensors_library_opens_a_file(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors", reason="safetensors is not installed")
    source = cast(source_file(tmp_path), ["F16", "F32"])
    convert(source, tmp_path / "target.safetensors")
    with library.safe_open(str(tmp_path / "target.safetensors"), "np") as file:
        assert json.loads(file.metadata()["wiring"]) == PADDED
        for name, tensor in weights.read(source).tensors.items():
            assert file.get_tensor(name).tobytes() == bytes(tensor.data)
