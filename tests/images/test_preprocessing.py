"""Valid values of a Preprocessing, and its results compared with Pillow's."""

from __future__ import annotations

import copy
import csv
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sqznet import _kernels, _pixels
from sqznet.errors import SqznetError
from sqznet.images.decoding import decode
from sqznet.images.pixels import Pixels
from sqznet.images.preprocessing import PRESETS, Preprocessing, geometry, preset_name, resolve

RUNNABLE = [
    name for name, families, runs, _ in _kernels.instruction_sets() if "pixels" in families and runs
]

Array = npt.NDArray[Any]


def levels_only(size: tuple[int, int], fit: str) -> Preprocessing:
    """Passes RGB gray levels unchanged."""
    return Preprocessing(size, fit, "rgb", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def feed(pixels: Pixels, pre: Preprocessing, isa: str) -> Array:
    """The network's input, height x width x 3, with sentinels between the rows in memory."""
    height, width = pre.size
    out = np.full((1, height, width + 1, 3), np.float32(-12345))
    _pixels.resize_normalize(
        pixels.data,
        pixels.height,
        pixels.width,
        pixels.channels,
        *geometry(pre, pixels.height, pixels.width),
        out[:, :, :width],
        pre.mean,
        pre.std,
        pre.channel_order == "bgr",
        _kernels.kernels_named(isa).pixels.capsule(),
    )
    assert (out[:, :, width] == -12345).all(), "wrote outside its rows"
    return out[0, :, :width]


def in_pillow_order(image: Image.Image, width: int, height: int) -> Image.Image:
    """Resizes in two steps, in the order of Pillow 13, which earlier releases do not use."""
    columns_first = image.height > height and (image.height - height > 2 * (image.width - width))
    between = (image.width, height) if columns_first else (width, image.height)
    bilinear = Image.Resampling.BILINEAR
    return image.resize(between, bilinear).resize((width, height), bilinear)


def squashed(image: Image.Image, size: tuple[int, int]) -> Array:
    return np.asarray(in_pillow_order(image.convert("RGB"), size[1], size[0]), np.float32)


def cropped(image: Image.Image, side: int, rounding: str = "nearest") -> Array:
    """Resizes the shorter side to side * 256 / 224 and crops; or as torchvision does."""
    short, long = sorted(image.size)
    target = round(side * 256 / 224)
    torchvision = rounding == "torchvision"
    other = int(target * long / short) if torchvision else round(target * long / short)
    width, height = (target, other) if image.width <= image.height else (other, target)
    resized = in_pillow_order(image.convert("RGB"), width, height)
    left, top = (
        round((length - side) / 2.0) if torchvision else (length - side) // 2
        for length in (width, height)
    )
    box = (left, top, left + side, top + side)
    return np.asarray(resized.crop(box), np.float32)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Array:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("isa", RUNNABLE)
@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 70), st.integers(1, 70),
    st.sampled_from([1, 3, 4]), st.integers(0, 99),
)  # fmt: skip
def test_squash_has_pillows_gray_levels(
    isa: str, height: int, width: int, out_h: int, out_w: int, channels: int, seed: int
) -> None:
    photo = noise(height, width, channels, seed)
    pre = levels_only((out_h, out_w), "squash")
    ours = feed(decode(photo), pre, isa)
    image = Image.fromarray(photo if channels < 4 else photo[:, :, :3])
    np.testing.assert_array_equal(ours, squashed(image, pre.size))
    direct = image.convert("RGB").resize((out_w, out_h), Image.Resampling.BILINEAR)
    assert np.abs(ours - np.asarray(direct, np.float32)).max() <= 1  # any release of Pillow


@pytest.mark.parametrize("isa", RUNNABLE)
@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(1, 60), st.integers(0, 99),
    st.sampled_from(["nearest", "torchvision"]),
)  # fmt: skip
def test_crop_has_pillows_gray_levels(
    isa: str, height: int, width: int, side: int, seed: int, rounding: str
) -> None:
    photo = noise(height, width, seed=seed)
    pre = levels_only((side, side), "crop")._replace(rounding=rounding)
    ours = feed(decode(photo), pre, isa)
    np.testing.assert_array_equal(ours, cropped(Image.fromarray(photo), side, rounding))


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (2500, 33), (1, 1), (3, 2)])
def test_extreme_shapes(isa: str, fit: str, size: tuple[int, int]) -> None:
    photo = noise(*size)
    ours = feed(decode(photo), levels_only((32, 32), fit), isa)
    image = Image.fromarray(photo)
    expected = squashed(image, (32, 32)) if fit == "squash" else cropped(image, 32)
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("shape", [(120, 40), (60, 90)], ids=["columns first", "rows first"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_strides_of_any_sign(isa: str, shape: tuple[int, int], channels: int) -> None:
    photo = noise(2 * shape[0], 3 * shape[1], channels)
    pre = levels_only((33, 35), "squash")
    for view in (photo[::2, ::3], photo[::-1], photo[:, ::-1], photo[5:-5, 7:-7], photo[..., ::-1]):
        np.testing.assert_array_equal(
            feed(decode(view), pre, isa), feed(decode(np.ascontiguousarray(view)), pre, isa)
        )


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_channel_order_mean_and_std(isa: str, order: str) -> None:
    photo = noise(60, 50)
    mean, std = (10.0, 100.5, 200.25), (2.0, 50.0, 0.5)
    ours = feed(decode(photo), Preprocessing((30, 41), "squash", order, mean, std), isa)
    levels = squashed(Image.fromarray(photo), (30, 41))
    if order == "bgr":
        levels = levels[:, :, ::-1]
    expected = (levels - np.array(mean, np.float32)) / np.array(std, np.float32)
    np.testing.assert_allclose(ours, expected, rtol=3e-7, atol=1e-6)


@pytest.mark.parametrize("isa", RUNNABLE)
def test_the_shared_photos(shared: Path, isa: str) -> None:
    with (shared / "reference" / "labels.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file)]
    reference = np.load(shared / "reference" / "input_224.npz")["first8_squash"]
    for name, expected in zip(names, reference, strict=False):
        ours = feed(decode(shared / "images" / name), PRESETS["squash-bgr"], isa)
        np.testing.assert_allclose(ours, expected.transpose(1, 2, 0), rtol=0, atol=1e-4)
    for name in names[::25]:
        path = shared / "images" / name
        with Image.open(path) as image:
            expected = cropped(image, 224)
        ours = feed(decode(path), levels_only((224, 224), "crop"), isa)
        np.testing.assert_array_equal(ours, expected, err_msg=name)


@pytest.mark.parametrize(
    ("height", "width", "size", "expected"),
    [
        (375, 500, (224, 224), (256, 341, 16, 58)),
        (500, 375, (224, 224), (341, 256, 58, 16)),
        (416, 500, (224, 224), (256, 308, 16, 42)),  # 307.7
        (500, 334, (224, 224), (383, 256, 79, 16)),  # 79.5
        (10, 10, (227, 227), (259, 259, 16, 16)),
        (300, 300, (224, 112), (256, 256, 16, 72)),
        (100, 400, (112, 224), (128, 512, 8, 144)),
        (400, 100, (112, 224), (1024, 256, 456, 16)),
    ],
)
def test_crop_geometry(
    height: int, width: int, size: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert geometry(Preprocessing(size, "crop"), height, width) == expected
    assert geometry(Preprocessing(size, "squash"), height, width) == (*size, 0, 0)


@pytest.mark.parametrize(
    ("pre", "height", "width", "expected"),
    [
        # Caffe stores photos at 256 x 256 and crops the center 227 x 227, rounded down.
        (PRESETS["caffe"], 480, 640, (256, 256, 14, 14)),
        (PRESETS["ncnn"], 480, 640, (227, 227, 0, 0)),
        (PRESETS["keras"], 480, 640, (227, 227, 0, 0)),
        (Preprocessing(200, "crop", resize=240), 480, 640, (240, 320, 20, 60)),
        (Preprocessing(200, "crop", resize=(240, 300)), 480, 480, (300, 300, 50, 50)),
        (Preprocessing((2, 3), "squash", resize=(2, 9)), 1, 1, (2, 9, 0, 3)),
    ],
)
def test_the_size_to_resize_to(
    pre: Preprocessing, height: int, width: int, expected: tuple[int, ...]
) -> None:
    assert geometry(pre, height, width) == expected


def test_equal_presets_have_the_name_of_the_first() -> None:
    assert [preset_name(PRESETS[name]) for name in ("torchvision", "caffe", "ncnn")] == [
        "torchvision",
        "caffe",
        "ncnn",
    ]
    assert preset_name(PRESETS["onnx-zoo-1.0"]) == "squash-bgr"
    assert preset_name(Preprocessing(size=225)) is None


def test_torchvisions_rounding() -> None:
    pre = PRESETS["torchvision"]
    assert geometry(pre, 416, 500) == (256, 307, 16, 42)  # 307.7; 41.5 to the even 42
    assert geometry(pre, 375, 500) == (256, 341, 16, 58)  # 58.5 to the even 58
    assert geometry(pre, 500, 334) == (383, 256, 80, 16)  # 79.5 to the even 80


@given(st.integers(1, 65535), st.integers(1, 65535), st.integers(1, 500), st.integers(1, 500))
@settings(derandomize=True, deadline=None)
def test_the_crop_lies_inside(height: int, width: int, out_h: int, out_w: int) -> None:
    resized_h, resized_w, top, left = geometry(Preprocessing((out_h, out_w)), height, width)
    assert 0 <= top <= resized_h - out_h
    assert 0 <= left <= resized_w - out_w


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    pre = resolve(name)
    again = Preprocessing.from_dict(json.loads(json.dumps(pre.to_dict())))
    assert again == pre == resolve(pre) == resolve(pre.to_dict())


def test_every_way_to_change_and_to_copy_one() -> None:
    pre = PRESETS["keras"]
    assert pre._replace(size=99, mean=[1, 2, 3]) == Preprocessing(
        (99, 99), "squash", "bgr", (1.0, 2.0, 3.0), (1.0, 1.0, 1.0)
    )
    for again in (copy.copy(pre), pickle.loads(pickle.dumps(pre)), Preprocessing(*pre)):
        assert type(again) is Preprocessing
        assert again == pre
        assert hash(again) == hash(pre)
    assert repr(pre).startswith("Preprocessing(size=(227, 227), fit='squash', ")
    for name in ("fit", "no_field"):
        with pytest.raises(AttributeError):
            setattr(pre, name, "crop")


def test_sizes_of_other_integer_types() -> None:
    assert Preprocessing(np.int64(7)).size == (7, 7)
    assert Preprocessing((np.uint8(7), 8)).size == (7, 8)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0), ("size", True), ("size", (1,)), ("size", (1, 2, 3)), ("size", "224"),
        ("size", 1.5), ("size", 4097), ("size", 10**400), ("size", [[1], [2]]),
        ("size", None), ("size", np.zeros(2)), ("size", (-1, 224)),
        ("resize", 0), ("resize", (226, 300)), ("resize", "256"), ("resize", 4097),
        ("fit", "stretch"), ("fit", None), ("fit", ["crop"]), ("fit", np.zeros(3)),
        ("channel_order", "gbr"), ("channel_order", 3), ("rounding", "up"), ("rounding", None),
        ("mean", (1, 2)), ("mean", "abc"), ("mean", (1, 2, float("nan"))), ("mean", (1, 2, 1e39)),
        ("mean", (1, 2, "3")), ("mean", (1, 2, 10**400)), ("mean", 5),
        ("std", (1, 0, 1)), ("std", (1, -1, 1)), ("std", (1, float("inf"), 1)),
    ],
)  # fmt: skip
def test_wrong_values_name_their_field(field: str, value: Any) -> None:
    values = {**PRESETS["keras"].to_dict(), field: value}
    with pytest.raises(SqznetError, match=f"^preprocessing: {field} is ") as caught:
        Preprocessing.from_dict(values)
    with pytest.raises(SqznetError, match=f"^preprocessing: {field} is "):
        PRESETS["keras"]._replace(**{field: value})
    message = str(caught.value)
    assert "expected" in message
    assert "\n" not in message
    assert len(message) < 250


def test_missing_and_unknown_fields() -> None:
    values = PRESETS["keras"].to_dict()
    del values["rounding"]
    assert resolve(values) == PRESETS["keras"]
    with pytest.raises(SqznetError, match="unknown field 'crop_size'"):
        resolve({**values, "crop_size": 224})
    del values["fit"], values["std"]
    with pytest.raises(SqznetError, match="fit, std missing"):
        resolve(values)
    with pytest.raises(SqznetError, match="'imagenet' is unknown, expected one of torchvision"):
        resolve("imagenet")
    with pytest.raises(SqznetError, match="expected a mapping"):
        resolve(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 9}, {"width": 0}, {"channels": 2}, {"height": 70000},
        {"pixels": b"short"}, {"pixels": np.zeros((8, 8, 3), np.float32)},
        {"out": np.zeros((1, 4, 4, 3))}, {"out": np.zeros((4, 4, 3), np.float32)},
        {"out": np.zeros((1, 4, 4, 6), np.float32)[..., ::2]}, {"top": 5}, {"left": -1},
        {"resized_h": 3},
    ],
)  # fmt: skip
def test_inconsistent_values_are_refused(changes: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {
        "pixels": noise(8, 8), "height": 8, "width": 8, "channels": 3,
        "resized_h": 8, "resized_w": 8, "top": 0, "left": 0,
        "out": np.zeros((1, 4, 4, 3), np.float32), "mean": (0, 0, 0), "std": (1, 1, 1),
        "reverse": False, "capsule": _kernels.best_kernels().pixels.capsule(),
    }  # fmt: skip
    _pixels.resize_normalize(**arguments)
    with pytest.raises((ValueError, BufferError)):
        _pixels.resize_normalize(**{**arguments, **changes})
