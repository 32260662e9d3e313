"""What `sqznet.identify` reports, and the preprocessing of known files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import sqznet
from sqznet import weights
from sqznet.cli.main import main
from sqznet.images.preprocessing import PRESETS, Preprocessing
from sqznet.weights import known
from sqznet.weights.known import KNOWN, KnownFile

from ..support import networks, torch_files
from ..support.places import ROOT

PAGE = ROOT / "docs" / "weights.md"


def test_a_small_file(tmp_path: Path) -> None:
    made = networks.tensors("squeezenet1_0", classes=7, bypass="complex")
    path = networks.save(tmp_path / "mine.safetensors", made)
    found = sqznet.identify(path)
    assert found.path == str(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.bytes == path.stat().st_size
    assert (found.format, found.precision, found.int8) == ("safetensors", "float32", False)
    assert (found.variant, found.bypass) == ("squeezenet1_0_complex_bypass", "complex")
    assert found.parameters == sum(array.size for array in made.values())
    assert found.classes == 7
    assert "labels=" in found.labels
    assert (found.conv1_padding, found.conv10_padding) == (0, 0)
    assert (found.ceil_mode, found.softmax) == (True, False)
    assert (found.preset, found.preprocessing) == ("torchvision", PRESETS["torchvision"])
    assert (found.known, found.warnings) == (None, ())
    for field in ("conv1_padding", "conv10_padding", "ceil_mode", "softmax", "preprocessing"):
        assert found.reasons[field] == "the default for safetensors files"
    assert found.reasons["variant"] == "its tensors"


def test_what_the_file_states(tmp_path: Path) -> None:
    own = Preprocessing(size=99)
    metadata = {
        "variant": "squeezenet1_1_simple_bypass",
        "labels": json.dumps(list("abcdefg")),
        "preprocessing": json.dumps(own.to_dict()),
        "wiring": json.dumps({"conv1_padding": 1, "ceil_mode": False, "softmax": True}),
    }
    path = networks.save(tmp_path / "mine.safetensors", networks.tensors(), metadata)
    found = sqznet.identify(path)
    assert (found.variant, found.bypass) == ("squeezenet1_1_simple_bypass", "simple")
    assert (found.preset, found.preprocessing) == (None, own)
    assert (found.conv1_padding, found.ceil_mode, found.softmax) == (1, False, True)
    for field in ("variant", "preprocessing", "conv1_padding", "ceil_mode", "softmax"):
        assert "default" not in found.reasons[field]
    assert "default" in found.reasons["conv10_padding"]


def test_the_bundled_weights() -> None:
    found = sqznet.identify(weights.bundled().path)
    assert (found.variant, found.parameters) == ("squeezenet1_1", 1_235_496)
    assert (found.classes, found.precision, found.preset) == (1000, "float16", "squash-bgr")
    assert found.int8
    assert found.warnings == ()


def test_to_dict_survives_json(tmp_path: Path) -> None:
    found = sqznet.identify(networks.save(tmp_path / "w.safetensors", networks.tensors()))
    values = found.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert Preprocessing.from_dict(values["preprocessing"]) == found.preprocessing
    assert values["reasons"] == found.reasons
    for name in sqznet.Identity.__dataclass_fields__:
        assert name in values


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("squeezenet1.0-12.bin2", "named 1.0, holds 1.1"),
        ("SqueezeNet_v1.0", "named 1.0, holds 1.1"),
        ("my_squeezenet10.weights", "named 1.0, holds 1.1"),
        ("squeezenet-1-0", "named 1.0, holds 1.1"),
        ("squeezenet1_1.weights", None),
        ("squeezenet.weights", None),
        ("squeezenet-100-epochs", None),
        ("1_0", None),
    ],
)
def test_a_name_with_another_version(tmp_path: Path, name: str, warning: str | None) -> None:
    path = networks.save(tmp_path / name, networks.tensors("squeezenet1_1"))
    assert sqznet.identify(path).warnings == ((warning,) if warning else ())


@pytest.mark.parametrize(
    ("classes", "labels", "said", "warning"),
    [
        (1000, None, "ImageNet's", None),
        (1001, None, "background, then ImageNet's", "index 0 counts as a background class"),
        (7, None, "none", None),
        (7, list("abcdefg"), "the file's", None),
        (7, list("ab"), "the file's", "has 2 labels for its 7 classes"),
    ],
)
def test_labels(
    tmp_path: Path, classes: int, labels: list[str] | None, said: str, warning: str | None
) -> None:
    metadata = {"labels": json.dumps(labels)} if labels else None
    path = networks.save(tmp_path / "w.safetensors", networks.tensors(classes=classes), metadata)
    found = sqznet.identify(path)
    assert found.labels.startswith(said)
    assert len(found.warnings) == (warning is not None)
    assert warning is None or warning in found.warnings[0]


def test_a_file_that_is_not_a_squeezenet(tmp_path: Path) -> None:
    made = {"fc.weight": networks.tensors()["classifier.1.weight"]}
    with pytest.raises(sqznet.WeightsError, match=r"w\.safetensors is not a SqueezeNet"):
        sqznet.identify(networks.save(tmp_path / "w.safetensors", made))
    with pytest.raises(sqznet.WeightsError, match="absent"):
        sqznet.identify(tmp_path / "absent")


# --- Known files -----------------------------------------------------------------------------


def test_the_table_of_known_files() -> None:
    for file in KNOWN:
        assert len(file.sha256) in (8, 64)
        assert set(file.sha256) <= set("0123456789abcdef")
        assert file.preset in PRESETS
    assert len({file.sha256[:8] for file in KNOWN}) == len({file.name for file in KNOWN})


def state_dict(path: Path) -> Path:
    """A small SqueezeNet 1.1 as written by torch.save."""
    made = networks.tensors("squeezenet1_1")
    specs = {
        name: ("FloatStorage", array.shape, array.ravel().tolist()) for name, array in made.items()
    }
    path.write_bytes(torch_files.zip_file(*torch_files.parts(specs)))
    return path


def known_as(monkeypatch: pytest.MonkeyPatch, path: Path, digits: int, format_name: str) -> None:
    """Adds the file to the known files."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:digits]
    file = KnownFile(digest, format_name, "somebody's squeezenet1.0.pth", "onnx-zoo-1.0")
    monkeypatch.setattr(known, "KNOWN", (*KNOWN, file))


@pytest.mark.parametrize("digits", [8, 64])
def test_a_known_file_gets_its_preprocessing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: int
) -> None:
    path = state_dict(tmp_path / "w.pth")
    assert sqznet.load(path).preprocessing == PRESETS["torchvision"]
    known_as(monkeypatch, path, digits, "torch")
    assert sqznet.load(path).preprocessing == PRESETS["onnx-zoo-1.0"]
    assert sqznet.load(path, preprocessing="keras").preprocessing == PRESETS["keras"]
    found = sqznet.identify(path)
    assert (found.known, found.preset) == ("somebody's squeezenet1.0.pth", "onnx-zoo-1.0")
    assert found.reasons["preprocessing"] == "its hash: this is somebody's squeezenet1.0.pth"
    assert found.warnings == ("published as 1.0, holds 1.1",)


def test_a_hash_of_another_format_is_no_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = state_dict(tmp_path / "w.pth")
    known_as(monkeypatch, path, 64, "onnx")
    assert sqznet.identify(path).known is None


def test_files_of_unknown_formats_or_sizes_are_not_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_data: memoryview) -> str:
        raise AssertionError("hashed")

    monkeypatch.setattr(known, "sha256", refuse)
    weights.bundled()
    weights.read(networks.save(tmp_path / "w.safetensors", networks.tensors()))
    assert known.find(memoryview(bytes(17 << 20)), "torch") is None
    with pytest.raises(AssertionError, match="hashed"):
        known.find(memoryview(b"small"), "torch")


# --- The real files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "preset", "wiring"),
    [  # conv1 padding, conv10 padding, ceil mode, softmax
        ("squeezenet1_0.pth", "torchvision", (0, 0, True, False)),
        ("squeezenet1_1.legacy.pth", "torchvision", (0, 0, True, False)),
        ("squeezenet1_1.safetensors", "torchvision", (0, 0, True, False)),
        ("squeezenet1_0.onnx", "torchvision", (0, 0, True, False)),
        ("squeezenet1_1.qdq-int8.onnx", "torchvision", (0, 0, True, False)),
        ("squeezenet1_0.caffemodel", "caffe", (0, 0, True, False)),
        ("squeezenet1_1.v1layers.caffemodel", "caffe", (0, 0, True, False)),
        ("squeezenet1_1.keras.h5", "keras", (0, 0, False, True)),
        ("squeezenet1_0.param", "torchvision", (0, 0, True, False)),
        ("squeezenet1_1.bin", "torchvision", (0, 0, True, False)),
        ("squeezenet1_0.deep-compression.net", "caffe", (0, 1, True, True)),
    ],
)
def test_real_files(
    shared: Path, name: str, preset: str, wiring: tuple[int, int, bool, bool]
) -> None:
    if name.endswith(".h5"):
        pytest.importorskip("h5py", reason="reading Keras files needs h5py")
    found = sqznet.identify(shared / "weights" / name)
    variant = name[: len("squeezenet1_0")]
    assert (found.variant, found.preset, found.classes) == (variant, preset, 1000)
    assert found.parameters == (1_248_424 if variant == "squeezenet1_0" else 1_235_496)
    assert wiring == (
        found.conv1_padding,
        found.conv10_padding,
        found.ceil_mode,
        found.softmax,
    )
    assert (found.reasons.get("precision") == "run on integers") == ("int8" in name)
    assert (found.known is not None) == name.endswith(".net")


@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not available")
def test_the_documented_output_is_current(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("h5py", reason="reading Keras files needs h5py")
    folder = shared / "weights"
    page = PAGE.read_text(encoding="utf-8")
    for path in sorted(folder.iterdir()):
        assert main(["identify", str(path)]) == 0
        said = capsys.readouterr().out.replace(f"{folder}/", "")
        assert f"$ sqznet identify {path.name}\n{said}```" in page, "run tools/identify_examples.py"
