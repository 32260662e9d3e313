"""Names files of programs whose formats sqznet does not read, from their first bytes.

People bring what a repository or a converter left them. The message says what it is and how to get
a file that sqznet reads. A file is named only by what is certain: the magic numbers of its format,
or the fields of its protobuf message. No file in a supported format is named here.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from sqznet.errors import WeightsError
from sqznet.weights.protobuf import MessageReader, Value

_TO_ONNX = "convert it to ONNX"
_ORIGINAL = "take the file that it was converted from, or an ONNX file of the same network"
_PULL = "fetch that file with git lfs pull"
_UNPACK = "unpack it and take the weights file inside"
_AGAIN = "a download that failed? Fetch the file itself again"

# Bytes at the start of a file: what it is, and what to do.
_STARTS = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file it points to",
        "run git lfs pull",
    ),
    (b"GGUF", "a GGUF file of llama.cpp", "expected the weights of a SqueezeNet"),
    (b"\xff\xd8\xff", "a JPEG image", ""),
    (b"\x89PNG", "a PNG image", ""),
    (b"GIF8", "a GIF image", ""),
    (b"RIFF", "a WebP image, a video or a sound", ""),
    (b"%PDF", "a PDF document", ""),
    (b"\x93NUMPY", "a NumPy array", "save all tensors with torchvision's names with numpy.savez"),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"PK\x05\x06", "an empty zip archive", ""),
    (b"MATLAB", "a MATLAB file", _TO_ONNX + " with exportONNXNetwork"),
    (b"RKNN", "an RKNN model", _ORIGINAL),
    (b"ftrt", "a TensorRT engine", _ORIGINAL),
    (b"ptrt", "a TensorRT engine", _ORIGINAL),
    (b"\x12\x01\0\0\0\0\0\0", "MXNet's .params file", _TO_ONNX + " with mxnet.onnx.export_model"),
    (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", "a Lua Torch file", _TO_ONNX),
    (b"name:", "text like a .prototxt, which describes a network without its weights", ""),
    (b"layer", "text like a .prototxt, which describes a network without its weights", ""),
    (b"{", "JSON text, which describes a network without its weights", "take the file beside it"),
)

# The identifiers of FlatBuffers files, in bytes 4 to 8.
_FLAT = {
    b"TFL3": ("a TensorFlow Lite model", _TO_ONNX + ": python -m tf2onnx.convert --tflite FILE"),
    b"ORTM": ("a model in onnxruntime's own format (.ort)", "take the .onnx file it was made from"),
    b"ET12": ("an ExecuTorch program", _ORIGINAL),
}

_PAGE = ("<!doctype html", "<html", "<head", "<body", "<!--")
_MARKUP = (
    ("<net ", "an OpenVINO IR, whose weights are in the .bin file beside it", _ORIGINAL),
    ("<?xml", "XML", _AGAIN),
    ("<", "a web page or XML", _AGAIN),
)

# Entries of zip archives; the names of most begin with a folder of any name.
_ENTRIES = (
    ("archive_format", "a .pt2 file of torch.export"),
    ("serialized_exported_program.json", "a .pt2 file of torch.export"),
    ("serialized_exported_program.bin", "a .pt2 file of torch.export"),
    ("saved_model.pb", "a TensorFlow SavedModel in a zip archive"),
    ("Manifest.json", "a Core ML package in a zip archive"),
    ("MAR-INF/MANIFEST.json", "a TorchServe archive"),
)
_FOR_ENTRIES = {
    "a .pt2 file of torch.export": "save its weights with torch.save("
    "torch.export.load(path).state_dict, new_path)",
    "a TorchServe archive": _UNPACK,
}

_SAVED_MODEL = (
    "a TensorFlow SavedModel",
    _TO_ONNX + ": python -m tf2onnx.convert --saved-model FOLDER",
)
_CORE_ML = ("a Core ML model", _ORIGINAL)
_GRAPH_DEF = ("a TensorFlow graph", _TO_ONNX + ": python -m tf2onnx.convert --graphdef FILE")
_CAFFE2 = ("a Caffe2 network", _TO_ONNX + " with caffe2.python.onnx.frontend")
_PADDLE = _TO_ONNX + " with paddle2onnx"
_CAFFE2_OPS = (
    "GivenTensorFill",
    "GivenTensorInt64Fill",
    "GivenTensorIntFill",
    "Int8GivenTensorFill",
    "ConstantFill",
    "XavierFill",
    "GaussianFill",
    "Conv",
    "NCHW2NHWC",
    "Copy",
)
_FIRST_OPS = ("Placeholder", "Const", "NoOp", "VarHandleOp", "VariableV2", "Identity")

# The fields of Core ML's Model that hold a network begin at 200; ONNX and SavedModel have few.
_CORE_ML_FIELDS = 200
_SCANNED = 50

_LONGEST_START = 4096


def kind_of(view: memoryview) -> str | None:
    """What a file is and what to do, such as "is a Core ML model; take ..."; None if unknown."""
    start = bytes(view[:_LONGEST_START])
    named = _FLAT.get(start[4:8]) or _marked(start) or _protobuf(view) or _binary(view)
    for magic, kind, advice in _STARTS:
        if named is None and start.startswith(magic):
            named = kind, advice
    if named is None and start[257:262] == b"ustar":
        named = "a tar archive", _UNPACK
    if named is None and start[4:8] == b"ftyp":
        named = "a video or an HEIF image", ""
    return _sentence(*named) if named else None


def kind_of_archive(names: Collection[str]) -> str | None:
    """The same for a zip archive with these entries, none of which a reader knows."""
    for entry, kind in _ENTRIES:
        if any(name == entry or name.endswith("/" + entry) for name in names):
            return _sentence(kind, _FOR_ENTRIES.get(kind, _ORIGINAL))
    return None


def kind_of_folder(path: str | os.PathLike[str]) -> str | None:
    """The same for a folder."""
    try:
        names = set(os.listdir(path))
    except OSError:
        return None
    if "saved_model.pb" in names:
        return _sentence(*_SAVED_MODEL)
    if "Manifest.json" in names or "coremldata.bin" in names:
        return _sentence("a Core ML package", _ORIGINAL)
    return None


def kind_of_pickle(view: memoryview) -> str:
    """The same for a pickle that torch.save did not write."""
    start, end = bytes(view[:_LONGEST_START]), bytes(view[-_LONGEST_START:])
    if b"StructuredToParameterName@@" in start + end:
        return _sentence("Paddle's .pdparams file", _PADDLE)
    if b"torch" in start and b"_load_from_bytes" in start:
        return _sentence(
            "a plain pickle, as pickle.dump writes it, and not from torch.save",
            "load it where you trust it, and save the tensors with torch.save",
        )
    if b"multiarray" in start:
        return _sentence(
            "a plain pickle of NumPy arrays",
            "load it where you trust it, and save the arrays with torchvision's names with "
            "numpy.savez; if it is Paddle's .pdparams, " + _PADDLE,
        )
    return _sentence(
        "a plain pickle, as pickle.dump writes it, and not from torch.save",
        "expected a file made by torch.save(model.state_dict(), path)",
    )


def _sentence(kind: str, advice: str) -> str:
    return f"is {kind}; {advice}" if advice else f"is {kind}"


def _marked(start: bytes) -> tuple[str, str] | None:
    """HTML and XML, whose beginning may be preceded by a byte order mark and spaces."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().decode("latin-1")
    if not text.startswith("<"):
        return None
    if text.lower().startswith(_PAGE):
        return "a web page", _AGAIN + ", not the page that shows it"
    return next((kind, advice) for mark, kind, advice in _MARKUP if mark in text)


def _binary(view: memoryview) -> tuple[str, str] | None:
    """Files without a magic number that begin with counts, or end with a magic number."""
    words = [int.from_bytes(view[i : i + 4], "little") for i in range(0, 20, 4)]
    if words[:4] == [0, 0, 0, 0] and 0 < words[4] < 100 and bytes(view[20:21]) == b"\x08":
        return "Paddle's .pdiparams file", _PADDLE
    if words[0] == 0 and words[1] in (1, 2) and words[2] in (0, 5) and words[3] > 0:
        return "a Darknet .weights file", _TO_ONNX
    if bytes(view[-8:]) == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb":
        return "the index of a TensorFlow checkpoint", _TO_ONNX + " from a SavedModel of the model"
    return None


def _protobuf(view: memoryview) -> tuple[str, str] | None:
    """Messages of other programs than ONNX and Caffe."""
    fields = list(_fields(view))
    numbers = [number for number, _ in fields]
    if numbers[:1] != [1]:
        return None
    first = fields[0][1]
    if isinstance(first, int):
        if any(number >= _CORE_ML_FIELDS for number in numbers):
            return _CORE_ML
        if set(numbers) == {1, 2} and all(not isinstance(value, int) for _, value in fields[1:]):
            inner = dict(reversed(list(_fields(fields[1][1]))))
            return _SAVED_MODEL if isinstance(inner.get(1), memoryview) else None
        return None
    node = dict(reversed(list(_fields(first))))
    if _text(node.get(1)) is not None and _text(node.get(2)) in _FIRST_OPS:
        return _GRAPH_DEF
    if node.get(1) == 0 and node.get(2) in ((1 << 32) - 1, (1 << 64) - 1):
        return "Paddle's .pdmodel file, a network without its weights", _PADDLE
    operators = [value for number, value in fields if number == 2 and not isinstance(value, int)]
    if operators:
        operator = dict(reversed(list(_fields(operators[0]))))
        if _text(operator.get(4)) in _CAFFE2_OPS and not isinstance(operator.get(5), int):
            return _CAFFE2
    return None


def _fields(message: Value) -> Iterator[tuple[int, Value]]:
    """The first fields, as far as they are sound."""
    if isinstance(message, int):
        return
    try:
        for count, field in enumerate(MessageReader().fields(message)):
            if count == _SCANNED:
                return
            yield field
    except WeightsError:
        return


def _text(value: Value | None) -> str | None:
    if not isinstance(value, memoryview) or value.nbytes > 200:
        return None
    try:
        return str(value, "ascii")
    except UnicodeDecodeError:
        return None
