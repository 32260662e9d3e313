"""ONNX files whose graphs preprocess their input: it becomes part of the preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.errors import WeightsError
from sqznet.images.preprocessing import PRESETS, Preprocessing

from ..support import networks
from ..support.onnx_files import UINT8, Exporter, value_info
from .test_onnx import Array, read

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
CAFFE = np.float32([104, 117, 123])
CROP = PRESETS["torchvision"]._replace(size=(64, 64))
ZEROS, ONES = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
SQUASH = PRESETS["keras"]._replace(size=(64, 64), mean=ZEROS, std=ONES, channel_order="rgb")


def column(values: Any) -> Array:
    return np.asarray(values, np.float32).reshape(-1, 1, 1)


class Preprocessed(Exporter):
    """Writes nodes between the graph's input and the first convolution."""

    steps: Callable[[Preprocessed, str], str]

    def op(self, op: str, x: str, constant: Array | None = None, **attributes: Any) -> str:
        if constant is None:
            return self.node(op, [x], **attributes)
        return self.node(op, [x, self.constant(f"c{self.count}", constant)], **attributes)

    def conv(self, name: str, x: str, relu: bool = True, **attributes: Any) -> str:
        if name == "features.0":
            x = type(self).steps(self, x)
        return super().conv(name, x, relu, **attributes)


def unit(g: Preprocessed, x: str) -> str:
    return g.op("Div", g.op("Sub", x, column(MEAN)), column(STD))


def levels(g: Preprocessed, x: str) -> str:
    return unit(g, g.op("Mul", g.op("Cast", x, to=1), np.float32(1 / 255)))


def symmetric(g: Preprocessed, x: str) -> str:
    return g.op("Add", g.op("Mul", x, np.float32([1 / 127.5])), np.float32([[[[-1]]]]))


def scaled(g: Preprocessed, x: str) -> str:
    return g.op("Div", x, np.float32(255))


def caffe(g: Preprocessed, x: str) -> str:
    x = g.op("Gather", x, np.array([2, 1, 0]), axis=1)
    return g.op("Sub", x, column(CAFFE))


def keras(g: Preprocessed, x: str) -> str:
    """Channels last: reversed, means subtracted, then transposed."""
    cuts = [np.array([value]) for value in (-1, -(2**63), 3, -1)]
    read = [g.constant(f"cut {i}", cut) for i, cut in enumerate(cuts)]
    x = g.node("Slice", [x, *read])
    return g.op("Transpose", g.op("Sub", x, CAFFE), perm=[0, 3, 1, 2])


def last(g: Preprocessed, x: str) -> str:
    return g.op("Transpose", x, perm=[0, 3, 1, 2])


def normalizer(g: Preprocessed, x: str) -> str:
    """A BatchNormalization of an input that is normalized already."""
    parts = (np.float32([1.1, 1, 1]), np.float32([0, 0.1, 0]), np.zeros(3, "f4"), np.ones(3, "f4"))
    read = [g.constant(f"n{i}", part) for i, part in enumerate(parts)]
    return g.node("BatchNormalization", [x, *read], epsilon=0.0)


def padded(g: Preprocessed, x: str) -> str:
    pads = g.constant("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    return g.node("Pad", [unit(g, x), pads])


def tripled(values: float) -> tuple[float, float, float]:
    return values, values, values


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (unit, CROP),
        (levels, CROP),
        (padded, CROP),
        (symmetric, CROP._replace(mean=tripled(127.5), std=tripled(127.5))),
        (scaled, CROP._replace(mean=ZEROS, std=tripled(255))),
        (caffe, CROP._replace(mean=(104, 117, 123), std=ONES, channel_order="bgr")),
        (keras, SQUASH._replace(mean=(104, 117, 123), channel_order="bgr")),
        (last, PRESETS["keras"]._replace(size=(64, 64))),
        (
            normalizer,
            CROP._replace(
                mean=(CROP.mean[0], CROP.mean[1] - 0.1 * CROP.std[1], CROP.mean[2]),
                std=(CROP.std[0] / 1.1, *CROP.std[1:]),
            ),
        ),
    ],
)
def test_what_the_graph_does_to_photos(
    tmp_path: Path, steps: Callable[[Preprocessed, str], str], expected: Preprocessing
) -> None:
    class Made(Preprocessed):
        pass

    Made.steps = steps
    is_last = steps in (keras, last)
    shape = (1, 64, 64, 3) if is_last else (1, 3, 64, 64)
    checkpoint = read(tmp_path, Made(networks.tensors(), input_shape=shape).bytes())
    found = checkpoint.preprocessing
    assert found._replace(mean=ZEROS, std=ONES) == expected._replace(mean=ZEROS, std=ONES)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.std, expected.std, rtol=1e-5)
    assert checkpoint.wiring.conv1_padding == (1 if steps is padded else 0)
    if steps is not last:
        assert "the graph's own nodes" in checkpoint.reasons["preprocessing"] or steps is last


@pytest.mark.parametrize("steps", [levels, symmetric, caffe, keras])
def test_onnxruntime_gives_the_same_logits_for_the_pixels(
    tmp_path: Path, steps: Callable[[Preprocessed, str], str]
) -> None:
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")

    class Made(Preprocessed):
        pass

    Made.steps = steps
    shape = (1, 64, 64, 3) if steps is keras else (1, 3, 64, 64)
    read(tmp_path, Made(networks.tensors(), input_shape=shape).bytes())
    photo = networks.photo(height=64 // 6 * 6 + 6, width=64)[:64]
    model = sqznet.load(tmp_path / "net.onnx", threads=1)
    model.preprocessing = model.preprocessing._replace(fit="squash", resize=None)
    pixels = photo.astype(np.float32)
    given = pixels[None] if steps is keras else pixels.transpose(2, 0, 1)[None]
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    expected = session.run(None, {"data": np.ascontiguousarray(given)})[0]
    found = model.logits(model.preprocess(photo))
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_an_input_of_bytes_holds_levels(tmp_path: Path) -> None:
    class Bytes(Preprocessed):
        steps = staticmethod(lambda g, x: g.op("Cast", x, to=1))  # type: ignore[assignment]

    content = Bytes(networks.tensors()).bytes()
    shape: Sequence[int] = (1, 3, 64, 64)
    content = content.replace(value_info("data", shape), value_info("data", shape, UINT8))
    assert read(tmp_path, content).preprocessing == CROP._replace(mean=ZEROS, std=ONES)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (lambda g, x: g.op("Relu", x), "clips .* at 0"),
        (lambda g, x: g.op("Mul", x, np.float32(-1)), "factors that are not above 0"),
        (lambda g, x: g.op("Div", x, np.float32([0])), "not finite"),
        (lambda g, x: g.op("Mul", x, np.float32(1e9)), "std is .*, expected 1e-6 or more"),
        (
            lambda g, x: g.op("Transpose", x, perm=[0, 1, 3, 2]),
            "in the order NCWH, expected NCHW or NHWC",
        ),
        (lambda g, x: g.op("Transpose", x, perm=[0, 1, 1, 2]), "expected an order of four axes"),
        (lambda g, x: g.op("Gather", x, np.array([0, 1, 2]), axis=1), "reads the Gather node"),
        (lambda g, x: g.op("Cast", x, to=2), "reads the Cast node"),
    ],
)
def test_other_changes_of_the_input_are_refused(
    tmp_path: Path, steps: Callable[[Preprocessed, str], str], message: str
) -> None:
    class Made(Preprocessed):
        pass

    Made.steps = steps
    with pytest.raises(WeightsError, match=message):
        read(tmp_path, Made(networks.tensors()).bytes())
