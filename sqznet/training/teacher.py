"""Teachers: networks whose answers another network is trained to give."""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sqznet.errors import SqznetError, WeightsError, path_for_messages, printable, reason_of, shown
from sqznet.files.paths import expanded
from sqznet.images.preprocessing import PRESETS, Preprocessing, resolve
from sqznet.loading import load_model
from sqznet.model import Model
from sqznet.training.augmentation import Normalization
from sqznet.training.settings import Preset

# How far the sum of probabilities may be from 1; half precision rounds by 1 / 2048.
_SUM = 0.01
_MOST_SHOWN = 300  # characters of what onnxruntime says

# The types of numbers that a graph may read, by onnxruntime's names.
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class Teacher(Protocol):
    """labels: the names of its classes, None where nobody knows. classes: how many it has."""

    @property
    def labels(self) -> tuple[str, ...] | None: ...

    @property
    def classes(self) -> int: ...

    def __call__(self, levels: Tensor) -> Tensor:
        """The probabilities of its classes, float32 (N, classes), for photos: gray levels, float32
        (N, 3, H, W) in RGB order, 0..255, of any size; on their device."""
        ...


def teacher_named(
    source: str | os.PathLike[str],
    preprocessing: Preset | None = None,
) -> Teacher:
    """A teacher from a file: any SqueezeNet that `sqznet.load` takes, or any other classifier of
    photos in ONNX, which onnxruntime runs.

    ``preprocessing``: how it wants photos, as for ``sqznet.load``; None: as a SqueezeNet's file
    says, and torchvision's otherwise. Only its levels, its order of channels and, where the graph
    leaves it open, its size matter.

    Raises SqznetError: WeightsError where ``sqznet.load`` would; if onnxruntime is missing or
    refuses the graph; and if the graph is no classifier of one photo.
    """
    name = os.fspath(source)
    try:
        model = load_model(name, preprocessing=preprocessing)
    except WeightsError:
        if not name.lower().endswith(".onnx") or not os.path.isfile(expanded(name)):
            raise
        return OnnxTeacher(name, resolve(preprocessing or PRESETS["torchvision"]))
    if model.activation != "softmax":
        raise SqznetError(
            f"{path_for_messages(name)}: its activation is {shown(model.activation)}; a teacher "
            "gives each photo to one class, by a softmax"
        )
    return SqueezeNetTeacher(model)


class SqueezeNetTeacher:
    """A network that our own kernels run, on the CPU."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.labels: tuple[str, ...] | None = tuple(model.labels)
        self.classes = model.num_classes

    def __call__(self, levels: Tensor) -> Tensor:
        x = _inputs(levels.cpu(), self._model.preprocessing)
        logits = torch.from_numpy(self._model.logits(x.numpy()))
        return functional.softmax(logits, 1).to(levels.device)


class OnnxTeacher:
    """A classifier of one photo in ONNX: it reads (N, 3, H, W) or (N, H, W, 3), and its first
    output has a number for each class: logits or probabilities."""

    labels: tuple[str, ...] | None = None

    def __init__(self, path: str, pre: Preprocessing) -> None:
        self._name = path_for_messages(path)
        self._session = self._guarded(_session, expanded(path))
        inputs = self._session.get_inputs()
        shape: list[Any] = inputs[0].shape if len(inputs) == 1 else []
        is_first, is_last = (len(shape) == 4 and shape[axis] == 3 for axis in (1, 3))
        if not (is_first or is_last) or inputs[0].type not in _TYPES:
            found = "; ".join(f"{x.name}: {x.type} {x.shape}" for x in inputs)
            raise SqznetError(
                f"{self._name}: a teacher reads one photo, (N, 3, H, W) or (N, H, W, 3), as floats "
                f"or bytes; this graph reads {printable(found, _MOST_SHOWN)}"
            )
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        self._last = not is_first
        batch, sides = shape[0], shape[1:3] if self._last else shape[2:]
        self._batch = batch if isinstance(batch, int) and batch > 0 else None
        height, width = (
            side if isinstance(side, int) and side > 0 else usual
            for side, usual in zip(sides, pre.size, strict=True)
        )
        self._pre = pre._replace(size=(height, width), resize=None)
        gray = torch.full((1, 3, height, width), 128.0)
        self.classes = self(gray).shape[1]

    def __call__(self, levels: Tensor) -> Tensor:
        pre = self._pre
        if self._type == np.uint8:
            x = _resized(levels.cpu(), pre).round().clamp(0, 255).numpy().astype(np.uint8)
        else:
            x = _inputs(levels.cpu(), pre).numpy().astype(self._type)
        if self._last:
            x = x.transpose(0, 2, 3, 1)
        size = self._batch or len(x)
        parts = [self._answers(x[begin : begin + size]) for begin in range(0, len(x), size)]
        return _probabilities(torch.from_numpy(np.concatenate(parts))).to(levels.device)

    def _answers(self, x: Any) -> Any:
        """The first output for some inputs, float32 (N, classes)."""
        count = len(x)
        if self._batch is not None and count < self._batch:  # fills a batch of a fixed size
            x = np.concatenate([x, np.repeat(x[-1:], self._batch - count, axis=0)])
        feed = {self._input: np.ascontiguousarray(x)}
        output = np.asarray(self._guarded(self._session.run, None, feed)[0])
        if output.ndim < 2 or len(output) != len(x) or output[0].size < 2:
            raise SqznetError(
                f"{self._name}: its first output has the shape {output.shape}; expected a number "
                "for each of two or more classes"
            )
        answers = output.reshape(len(x), -1)[:count].astype(np.float32)
        if not np.isfinite(answers).all():
            raise SqznetError(f"{self._name}: its output has NaN or infinities")
        return answers

    def _guarded(self, call: Any, *args: Any) -> Any:
        """A call of onnxruntime, whose errors have no common base."""
        try:
            return call(*args)
        except SqznetError:
            raise
        except Exception as error:
            said = printable(reason_of(error), _MOST_SHOWN)
            raise SqznetError(f"{self._name}: onnxruntime refuses it: {said}") from None


def _session(path: str) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise SqznetError(
            "a teacher in ONNX that is no SqueezeNet needs onnxruntime: pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone, which are raised, too
    providers = onnxruntime.get_available_providers()
    return onnxruntime.InferenceSession(path, options, providers=providers)


def _inputs(levels: Tensor, pre: Preprocessing) -> Tensor:
    """The inputs of a network with this preprocessing, for photos of any size."""
    x: Tensor = Normalization(pre, levels.device)(_resized(levels, pre))
    return x


def _resized(levels: Tensor, pre: Preprocessing) -> Tensor:
    if tuple(levels.shape[2:]) == pre.size:
        return levels
    return functional.interpolate(
        levels, pre.size, mode="bilinear", antialias=True, align_corners=False
    )


def _probabilities(answers: Tensor) -> Tensor:
    """Probabilities as they are; logits through a softmax."""
    sums = answers.sum(1)
    if answers.min() >= 0 and bool(((sums - 1).abs() < _SUM).all()):
        return answers / sums[:, None]
    return functional.softmax(answers, 1)
