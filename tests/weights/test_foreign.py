"""Files of other programs are named for what they are, with what to do."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.weights import foreign

from ..support import (
    caffe_files,
    deep_compression_files,
    ncnn_files,
    onnx_files,
    torch_files,
)
from ..support.onnx_files import entry

WRONG = ("damaged", "cut short", "while reading it")


def message(field: int, content: bytes) -> bytes:
    return entry(field, content)


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, "content")
    return out.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def flat(identifier: bytes) -> bytes:
    return b"\x1c\0\0\0" + identifier + bytes(40)


def padded(content: bytes, size: int = 600) -> bytes:
    return content + bytes(size - len(content))


OPERATOR = entry(2, "features.0.weight") + entry(4, "GivenTensorFill") + message(5, entry(1, "a"))
CORE_ML = entry(1, 1) + message(2, message(1, entry(1, "image"))) + message(403, entry(1, "x"))
SAVED_MODEL = entry(1, 1) + message(2, message(1, entry(4, "serve")) + message(2, entry(1, "x")))
GRAPH_DEF = message(1, entry(1, "input") + entry(2, "Placeholder")) + message(4, entry(1, 9))
PROGRAM = message(1, entry(1, 0) + entry(2, (1 << 64) - 1) + message(3, entry(1, "w")))
PD_PARAMS = bytes(16) + struct.pack("<i", 12) + entry(1, 5) + bytes(50)

FILES: dict[str, tuple[bytes, str, str]] = {
    "Core ML": (CORE_ML, "is a Core ML model", "ONNX"),
    "SavedModel": (SAVED_MODEL, "is a TensorFlow SavedModel", "tf2onnx.convert --saved-model"),
    "GraphDef": (GRAPH_DEF, "is a TensorFlow graph", "tf2onnx.convert --graphdef"),
    "Caffe2": (entry(1, "squeezenet") + message(2, OPERATOR), "is a Caffe2 network", "ONNX"),
    "TensorFlow Lite": (flat(b"TFL3"), "is a TensorFlow Lite model", "--tflite"),
    "onnxruntime": (flat(b"ORTM"), "onnxruntime's own format", "take the .onnx file"),
    "ExecuTorch": (flat(b"ET12"), "is an ExecuTorch program", "take the file"),
    "MXNet": (struct.pack("<QQQ", 0x112, 0, 2), "is MXNet's .params file", "export_model"),
    "Paddle's pickle": (
        pickle.dumps({"w": np.ones(3), "StructuredToParameterName@@": {}}, protocol=4),
        "is Paddle's .pdparams file",
        "paddle2onnx",
    ),
    "Paddle's tensors": (PD_PARAMS, "is Paddle's .pdiparams file", "paddle2onnx"),
    "Paddle's program": (PROGRAM, "is Paddle's .pdmodel file", "paddle2onnx"),
    "NumPy pickle": (
        pickle.dumps({"features.0.weight": np.ones(3, np.float32)}),
        "is a plain pickle of NumPy arrays",
        "numpy.savez",
    ),
    "pickle": (pickle.dumps([1, 2]), "is a plain pickle, as pickle.dump writes it", "torch.save"),
    "Chainer": (npz(**{"conv1/W": np.ones(3), "conv1/b": np.ones(3)}), "is a Chainer file", "ONNX"),
    "pt2": (archive("m/archive_format", "m/models/model.json"), "is a .pt2 file", "state_dict"),
    "old pt2": (archive("serialized_exported_program.json", "version"), "is a .pt2 file", "save"),
    "TorchScript": (
        archive("net/data.pkl", "net/constants.pkl", "net/code/__torch__.py"),
        "a TorchScript archive",
        "torch.jit.load",
    ),
    "zipped SavedModel": (archive("m/saved_model.pb"), "is a TensorFlow SavedModel", "ONNX"),
    "zipped mlpackage": (archive("m.mlpackage/Manifest.json"), "is a Core ML package", "ONNX"),
    "TorchServe": (
        archive("MAR-INF/MANIFEST.json"),
        "is a TorchServe archive",
        "unpack",
    ),
    "OpenVINO": (
        b'<?xml version="1.0"?>\n<net name="Model0" version="11">\n',
        "is an OpenVINO IR",
        "take the file that it was converted from",
    ),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is XML", "download"),
    "page": (b"\n\n<!DOCTYPE html>\n<html lang='en'>", "is a web page", "Fetch the file itself"),
    "page with a mark": (b"\xef\xbb\xbf<HTML><head>", "is a web page", "Fetch the file itself"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer", "lfs pull"),
    "GGUF": (b"GGUF\x03\0\0\0" + bytes(40), "is a GGUF file", "weights of a SqueezeNet"),
    "JSON": (b'{"nodes": []}', "is JSON text", "beside it"),
    "prototxt": (b'name: "SqueezeNet"\nlayer {', "text like a .prototxt", ""),
    "prototxt without a name": (b"layer {\n", "text like a .prototxt", ""),
    "tar": (b"model.pth".ljust(257, b"\0") + b"ustar" + bytes(300), "is a tar archive", "unpack"),
    "gzip": (b"\x1f\x8b\x08" + bytes(30), "is a gzip archive", "unpack"),
    "MATLAB": (b"MATLAB 5.0 MAT-file" + bytes(200), "is a MATLAB file", "ONNX"),
    "Darknet": (struct.pack("<IIIQ", 0, 2, 5, 32013312) + bytes(40), "is a Darknet", "ONNX"),
    "checkpoint": (
        padded(b"\0\0\1\2") + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb",
        "is the index of a TensorFlow checkpoint",
        "ONNX",
    ),
    "video": (b"\0\0\0\x18ftypmp42" + bytes(30), "is a video", ""),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(30), "is a JPEG image", ""),
    "Lua Torch": (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1" + bytes(40), "is a Lua Torch file", "ONNX"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_are_named(tmp_path: Path, kind: str) -> None:
    content, name, advice = FILES[kind]
    path = tmp_path / "squeezenet.bin"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        weights.read(path)
    text = str(caught.value).removeprefix(str(path))
    assert name in text
    assert advice in text
    assert not any(wrong in text for wrong in WRONG)
    assert len(text) < 500
    assert text.isprintable()


def saved_model(folder: Path) -> None:
    (folder / "saved_model.pb").write_bytes(SAVED_MODEL)


def package(folder: Path) -> None:
    (folder / "Manifest.json").write_text("{}")


@pytest.mark.parametrize(
    ("fill", "name"),
    [
        (saved_model, "is a TensorFlow SavedModel; .* expected a weights file"),
        (package, "is a Core ML package; .* expected a weights file"),
        (lambda folder: None, "is a directory; expected a weights file"),
    ],
)
def test_folders_are_named(tmp_path: Path, fill: Callable[[Path], None], name: str) -> None:
    fill(tmp_path)
    with pytest.raises(WeightsError, match=name):
        weights.read(tmp_path)


def test_half_of_an_openvino_ir(tmp_path: Path) -> None:
    (tmp_path / "net.bin").write_bytes(np.ones(30, np.float16).tobytes())
    (tmp_path / "net.xml").write_bytes(FILES["OpenVINO"][0])
    with pytest.raises(WeightsError, match=r"the weights of the OpenVINO IR 'net.xml' beside it"):
        weights.read(tmp_path / "net.bin")


def test_a_missing_module_is_a_fault_of_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> object:
        raise ModuleNotFoundError("No module named 'zlib'", name="zlib")

    monkeypatch.setattr("importlib.import_module", absent)
    path = tmp_path / "net.pth"
    path.write_bytes(b"\x80\x02something")
    with pytest.raises(WeightsError, match=r"No module named 'zlib'.*the file itself may be sound"):
        weights.read(path)


def test_files_in_supported_formats_are_not_named() -> None:
    for content in (
        onnx_files.small(),
        caffe_files.small(),
        caffe_files.small(old=True),
        caffe_files.small_bare(),
        ncnn_files.small()[0],
        torch_files.small_zip(),
        torch_files.small_legacy(),
        deep_compression_files.deep_file({}),
        b"\x89HDF\r\n\x1a\n",
    ):
        assert foreign.kind_of(memoryview(content)) is None
