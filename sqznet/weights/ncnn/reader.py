"""Reads ncnn's pairs of files: NAME.param, the layers as text, and NAME.bin, their weights.

The text (https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure): the number 7767517,
the numbers of layers and blobs, then one line per layer: type, name, numbers of blobs that it reads
and writes, their names, and parameters such as 0=64 or -23310=1,0.5 (a list, with the number 10).
NAME.bin has the weights of every layer in the same order (see `weights`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqznet.errors import WeightsError, shown
from sqznet.images.preprocessing import MAX_SIDE, PRESETS, Preprocessing
from sqznet.weights import recognition
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.ncnn import rounding
from sqznet.weights.ncnn.weights import NcnnWeights, StoredConv
from sqznet.weights.reading import WeightsFile
from sqznet.weights.recognition import Layer
from sqznet.weights.rounded import with_integers

_MAGIC = b"7767517"
_BINARY_MAGIC = struct.pack("<I", 7767517)
_TEXT, _WEIGHTS = ".param", ".bin"

# The description of a SqueezeNet has 5 kB; 256 kB are read in a fraction of a second.
_MAX_TEXT = 1 << 18
_WHOLE = re.compile(r"[-+]?[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"[-+]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][-+]?[0-9]{1,3})?", re.ASCII)
_LIST_BASE = -23300

# Names that converters of PyTorch's networks give: pnnx to the input, and torch's ONNX exporter,
# from which onnx2ncnn takes them, to convolutions.
_PNNX_INPUT = "in0"
_TORCH_CONV = re.compile(r"Conv_[0-9]+|/.+/Conv")

_QUANTIZED = "its weights have 8 bits, but sqznet computes with them in float32"


@dataclass(frozen=True)
class _Line:
    """A line of the description. `values` has the parameters that are single integers,
    `numbers` the others, each as a list."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values: Mapping[int, int]
    numbers: Mapping[int, tuple[float, ...]]

    def get(self, key: int, default: int) -> int:
        if key in self.numbers:
            raise self.refused(f"parameter {key} is not a whole number")
        return self.values.get(key, default)

    def refused(self, why: str) -> WeightsError:
        return WeightsError(f"layer {shown(self.name)} of type {shown(self.kind)}: {why}")


def looks_like(view: memoryview) -> bool:
    """Whether the bytes begin like a .param file, as text or binary."""
    start = bytes(view[: len(_MAGIC)])
    return start == _MAGIC or start.startswith(_BINARY_MAGIC)


def is_half_of_a_pair(file: WeightsFile) -> bool:
    """Whether this is a .bin file, which its content cannot show, with its .param beside it."""
    if not file.path.endswith(_WEIGHTS) or bytes(file.view[:2]) == b"PK":
        return False
    description = file.beside(_other_name(file, _WEIGHTS, _TEXT))
    return description is not None and bytes(description.view[: len(_MAGIC)]) == _MAGIC


def read(file: WeightsFile) -> Checkpoint:
    """Reads an ncnn network from its .param or .bin file; the other one is beside it.

    int8 weights stay int8 with scales, and weights from a table of 256 values become float32. What
    int8 convolutions read is rounded to 8 bits, as ncnn does. Raises WeightsError (without the
    path) if the files are invalid.
    """
    if bytes(file.view[:4]) == _BINARY_MAGIC:
        raise WeightsError(
            "is ncnn's binary description, which is not supported; "
            "expected the text that ncnn's converters write (NAME.param)"
        )
    given, other = (_TEXT, _WEIGHTS) if looks_like(file.view) else (_WEIGHTS, _TEXT)
    name = _other_name(file, given, other)
    partner = file.beside(name)
    if partner is None:
        raise WeightsError(f"ncnn's {other} file is missing: expected {shown(name)} beside it")
    description, weights = (file, partner) if given == _TEXT else (partner, file)
    lines = _lines(description.view)
    layers = [_layer(line) for line in lines]
    found = recognition.recognize(layers)
    convs, is_quantized = _convolutions(lines, layers, weights.view, found.names)
    tensors = {
        f"{name}.{part}": getattr(conv, part)
        for name, conv in convs.items()
        for part in ("weight", "bias")
    }
    preprocessing, reason = _preprocessing(lines)
    checkpoint = Checkpoint(
        path=file.name,
        format="ncnn",
        tensors=tensors,
        metadata={},
        variant=found.variant,
        preprocessing=preprocessing,
        labels=None,
        wiring=found.wiring,
        reasons={
            **found.reasons("the .param file's"),
            "preprocessing": reason,
            **({"precision": "8 bits in the file, dequantized"} if is_quantized else {}),
        },
    )
    if activations := rounding.activations(checkpoint.network(), convs):
        return with_integers(checkpoint._replace(activations=activations))
    return checkpoint._replace(warnings=(_QUANTIZED,)) if is_quantized else checkpoint


def _convolutions(
    lines: list[_Line], layers: list[Layer], view: memoryview, names: Mapping[str, str]
) -> tuple[dict[str, StoredConv], bool]:
    """All convolutions by torchvision's names, and whether any weight was stored in 8 bits."""
    weights = NcnnWeights(view)
    convs = {}
    for line, layer in zip(lines, layers, strict=True):
        if layer.kind == recognition.CONV:
            name = names[layer.name]
            scales = line.get(8, 0)
            convs[name] = weights.convolution(
                layer, line.get(6, 0), has_bias=line.get(5, 0) != 0, int8_scale_term=scales
            )
    weights.check_end()
    return convs, weights.is_quantized


def _other_name(file: WeightsFile, given: str, other: str) -> str:
    """The name of the other file of the pair: NAME.bin for NAME.param."""
    name = file.path.rpartition("/")[2]
    return name.removesuffix(given) + other


# --- The description -------------------------------------------------------------------------


def _lines(view: memoryview) -> list[_Line]:
    if view.nbytes > _MAX_TEXT:
        raise WeightsError(f"its description has {view.nbytes} bytes, expected {_MAX_TEXT} at most")
    try:
        rows = [row for text in str(view, "utf-8").splitlines() if (row := text.split())]
    except UnicodeDecodeError:
        raise WeightsError("its description is not text") from None
    if len(rows) < 2 or rows[0] != [_MAGIC.decode()] or len(rows[1]) != 2:
        raise WeightsError("its description does not begin like ncnn's: 7767517, then two counts")
    if rows[1][0] != str(len(rows) - 2):
        raise WeightsError(
            f"its description names {len(rows) - 2} layers, expected {shown(rows[1][0])}; "
            "it was cut short, or changed"
        )
    return [_line(row) for row in rows[2:]]


def _line(row: list[str]) -> _Line:
    if len(row) < 4 or not all(_WHOLE.fullmatch(word) for word in row[2:4]):
        raise WeightsError(f"its description has a line that begins {shown(' '.join(row)[:40])}")
    kind, name, reads, writes = row[0], row[1], int(row[2]), int(row[3])
    blobs = row[4 : 4 + max(reads, 0) + max(writes, 0)]
    if min(reads, writes) < 0 or len(blobs) != reads + writes:
        raise WeightsError(f"layer {shown(name)} names too few blobs")
    values: dict[int, int] = {}
    numbers: dict[int, tuple[float, ...]] = {}
    for word in row[4 + reads + writes :]:
        key, _, value = word.partition("=")
        if not _WHOLE.fullmatch(key):
            raise WeightsError(f"layer {shown(name)} has a parameter {shown(word)}")
        if _WHOLE.fullmatch(value):
            values[int(key)] = int(value)
            continue
        number, items = int(key), [value]
        if number <= _LIST_BASE:
            number, items = _LIST_BASE - number, value.split(",")[1:]
        if not all(re.search("[0-9]", item) and _NUMBER.fullmatch(item) for item in items):
            raise WeightsError(f"layer {shown(name)} has a parameter {shown(word)}")
        numbers[number] = tuple(map(float, items))
    return _Line(kind, name, tuple(blobs[:reads]), tuple(blobs[reads:]), values, numbers)


def _layer(line: _Line) -> Layer:
    """A line in framework-independent terms. Raises WeightsError for an unsupported type."""
    if line.kind not in _KINDS:
        raise line.refused("its type is not supported in a SqueezeNet")
    return _KINDS[line.kind](line)


def _plain(kind: str, defaults: Mapping[int, int] | None = None) -> Callable[[_Line], Layer]:
    """Returns a function that makes a layer whose parameters in `defaults` must have that value."""

    def make(line: _Line) -> Layer:
        for key, value in (defaults or {}).items():
            found = line.numbers.get(key) or (line.get(key, value),)
            if any(item != value for item in found):
                raise line.refused(f"parameter {key} is {found[0]:g}, expected {value}")
        return Layer(line.name, kind, line.inputs, line.outputs)

    return make


def _convolution(line: _Line) -> Layer:
    channels, kernel = line.get(0, 0), line.get(1, 0)
    stride, padding = line.get(3, 1), line.get(4, 0)
    same = {11: kernel, 13: stride, 14: padding, 15: padding, 16: padding}
    for key, value in {**same, 2: 1, 12: 1, 18: 0, 19: 0}.items():
        if line.get(key, value) != value:
            raise line.refused(f"parameter {key} is not {value}")
    if min(channels, kernel, stride) < 1 or padding < 0:
        raise line.refused(
            f"{channels} channels, kernel {kernel}, stride {stride}, padding {padding}"
        )
    activation = line.get(9, 0)
    if activation not in (0, 1):
        raise line.refused(f"has the activation {activation}, expected a ReLU (1) or none (0)")
    return Layer(
        line.name,
        recognition.CONV,
        line.inputs,
        line.outputs,
        channels,
        kernel,
        stride,
        padding,
        relu=activation == 1,
    )


def _eltwise(line: _Line) -> Layer:
    if line.get(0, 0) != 1:
        raise line.refused(f"operation {line.get(0, 0)}, expected a sum (1)")
    return _plain(recognition.ADD, {1: 1})(line)  # the sum's coefficients


def _pooling(line: _Line) -> Layer:
    average, whole, mode = line.get(0, 0), line.get(4, 0), line.get(5, 0)
    if line.get(7, 0) == 1 and line.get(8, 0) == 1 and line.get(18, 1) == 1:
        whole = 1  # adaptive, with one output value
    elif line.get(7, 0) != 0:
        raise line.refused("is an adaptive pool with more than one output value")
    if average == 1 and whole == 1:
        return Layer(line.name, recognition.AVERAGE, line.inputs, line.outputs)
    kernel, stride, padding = line.get(1, 0), line.get(2, 1), line.get(3, 0)
    same = {11: kernel, 12: stride, 13: padding, 14: padding, 15: padding}
    uneven = any(line.get(key, value) != value for key, value in same.items())
    if average != 0 or whole != 0 or mode not in (0, 1) or uneven:
        raise line.refused("is neither a global average nor a square max pool, ncnn's pad mode 0-1")
    return Layer(
        line.name,
        recognition.MAX_POOL,
        line.inputs,
        line.outputs,
        kernel=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=mode == 0,
    )


_KINDS: Mapping[str, Callable[[_Line], Layer]] = {
    "Input": _plain(recognition.INPUT),
    "Convolution": _convolution,
    "ReLU": _plain(recognition.RELU, {0: 0}),
    "Pooling": _pooling,
    "Concat": _plain(recognition.CONCAT, {0: 0}),
    "BinaryOp": _plain(recognition.ADD, {0: 0, 1: 0}),
    "Eltwise": _eltwise,
    "Softmax": _plain(recognition.SOFTMAX, {0: 0}),
    "Sigmoid": _plain(recognition.SIGMOID),
    "Split": _plain(recognition.SAME),
    "Noop": _plain(recognition.SAME),
    "Dropout": _plain(recognition.SAME, {0: 1}),
    "Flatten": _plain(recognition.FLATTEN),
    "Reshape": _plain(recognition.FLATTEN),
}


def _preprocessing(lines: list[_Line]) -> tuple[Preprocessing, str]:
    """That of the framework that the file's names point to, at its size if it states one."""
    preset, reason = PRESETS["ncnn"], "the default for ncnn files"
    inputs = [name for line in lines if line.kind == "Input" for name in line.outputs]
    convolutions = [line.name for line in lines if line.kind == "Convolution"]
    if inputs == [_PNNX_INPUT]:
        preset, reason = PRESETS["torchvision"], "pnnx's names: a network from PyTorch"
    elif all(_TORCH_CONV.fullmatch(name) for name in convolutions):
        preset, reason = PRESETS["torchvision"], "torch's names: a network from PyTorch"
    size = _input_size(lines)
    if size is None:
        return preset, reason
    return preset._replace(size=size), reason + ", the size from the .param file"


def _input_size(lines: list[_Line]) -> tuple[int, int] | None:
    """(height, width) of the network's input if the description states it."""
    line = next(line for line in lines if line.kind == "Input")
    width, height = line.get(0, 0), line.get(1, 0)
    if not (width or height):
        return None
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise line.refused(f"its size is {width} x {height}, expected 1 to {MAX_SIDE} each")
    return height, width
