"""Heat maps and boxes: they are where the class is; unusual inputs and errors."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet.boxes import Box
from sqznet.errors import ImageError, SqznetError
from sqznet.images.preprocessing import geometry
from sqznet.insight.heatmap import (
    BOX_HEAT,
    Evidence,
    HeatMap,
    LogitEvidence,
    _axis,
    _cell_grid,
    _largest_part,
)
from sqznet.network.variants import Wiring

from ..support import networks
from ..support.places import CHELSEA

CAT = "Egyptian cat"

Array = Any
CROP = sqznet.Preprocessing((224, 224), "crop", "bgr", (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def model() -> sqznet.Model:
    return sqznet.load(threads=1)


@pytest.fixture(scope="module")
def quick(coarse: Path) -> sqznet.Model:
    """For tests in which the resolution of the map does not matter."""
    return sqznet.load(coarse, threads=1)


@pytest.fixture(scope="module")
def cropping() -> sqznet.Model:
    return sqznet.load(threads=1, preprocessing=CROP)


@pytest.fixture(scope="module")
def evidence(model: sqznet.Model) -> Evidence:
    return LogitEvidence(model, CHELSEA)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return networks.save(tmp_path / "small.safetensors", networks.tensors())


def on_gray(left: int, top: int, size: tuple[int, int] = (900, 700)) -> Array:
    """The face of the cat, 300 x 240, at a place on a gray canvas."""
    canvas = Image.new("RGB", size, (124, 117, 104))
    with Image.open(CHELSEA) as photo:
        canvas.paste(photo.resize((300, 240)), (left, top))
    return np.asarray(canvas)


# --- Where the heat is -------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "top"), [(0, 0), (600, 0), (0, 460), (600, 460), (300, 230)])
def test_the_heat_is_where_the_cat_is(model: sqznet.Model, left: int, top: int) -> None:
    photo = on_gray(left, top)
    evidence = LogitEvidence(model, photo)
    index = evidence.index(CAT)
    heat = evidence.heat(index)
    # A cell of the map is 64 x 50 pixels here. Uniform heat would have 17 to 23 % in the box.
    around = heat[max(0, top - 50) : top + 290, max(0, left - 64) : left + 364]
    assert around.sum() >= 0.65 * heat.sum()
    y, x = np.unravel_index(np.argmax(heat), heat.shape)
    assert left <= x < left + 300
    assert top <= y < top + 240
    box = evidence.box(index)
    assert box is not None
    assert abs((box.x0 + box.x1) / 2 - (left + 150)) < 100
    assert abs((box.y0 + box.y1) / 2 - (top + 120)) < 80


@pytest.mark.parametrize("size", [(300, 900), (900, 300)])
def test_outside_a_crop_there_is_no_heat(cropping: sqznet.Model, size: tuple[int, int]) -> None:
    height, width = size
    photo = networks.photo(3, height, width - width % 8)
    height, width = photo.shape[:2]
    heat = np.asarray(cropping.heatmap(photo))
    resized_h, resized_w, top, left = geometry(cropping.preprocessing, height, width)
    y0, y1 = top * height / resized_h, (top + 224) * height / resized_h
    x0, x1 = left * width / resized_w, (left + 224) * width / resized_w
    assert heat.max() > 0.9
    inside = heat[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))]
    assert heat.sum() == pytest.approx(float(inside.sum()))
    (box,) = cropping.localize(photo)
    assert y0 - 1 <= box.y0 < box.y1 <= y1 + 1
    assert x0 - 1 <= box.x0 < box.x1 <= x1 + 1


def test_a_squashed_photo_has_heat_everywhere(quick: sqznet.Model) -> None:
    evidence = LogitEvidence(quick, networks.photo(3, 120, 400))
    cells = evidence.class_map(evidence.index(None))
    heat = evidence.heat(evidence.index(None))
    corners = heat[[0, 0, -1, -1], [0, -1, 0, -1]]
    expected = cells[[0, 0, -1, -1], [0, -1, 0, -1]] / cells.max()
    np.testing.assert_allclose(corners, expected, atol=1e-6)


def test_the_heat_rotates_with_the_photo(quick: sqznet.Model, tmp_path: Path) -> None:
    upright = Image.fromarray(on_gray(0, 0, (500, 300)))
    exif = Image.Exif()
    exif[0x0112] = 6  # upright after a quarter turn clockwise
    path = tmp_path / "turned.png"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    heat = quick.heatmap(path)
    assert heat.shape == (300, 500)
    np.testing.assert_array_equal(heat, quick.heatmap(upright))


def test_cells_are_at_the_centers_of_their_receptive_fields() -> None:
    for base, wiring, expected in (
        ("squeezenet1_1", {}, (15.5, 16)),
        ("squeezenet1_1", {"conv1_padding": 1}, (14.5, 16)),
        ("squeezenet1_0", {}, (17.5, 16)),
    ):
        made = networks.tensors(base)
        network = networks.network(made, wiring=Wiring(**wiring))
        assert _cell_grid(network) == expected


def test_values_between_cells_are_interpolated() -> None:
    weights = _axis(5, (15.5, 16), 160, 160, 20, 100)
    cells = np.array([0, 1, 0, 0.5, 1], np.float32)
    values = weights @ cells
    # The window begins at pixel 20; the center of pixel 35 is that of the first cell.
    np.testing.assert_allclose(values[35 : 35 + 80 : 16], cells, atol=1e-6)
    np.testing.assert_allclose(weights[20:120].sum(1), 1, atol=1e-6)
    assert not weights[:20].any()
    assert not weights[120:].any()
    assert np.abs(np.diff(values[20:115])).max() < 0.15, "it has a step"


def test_the_largest_part_is_connected_by_sides() -> None:
    rows = ["##...#", "#....#", "..#..#", ".#...."]
    hot = np.array([[c == "#" for c in row] for row in rows])
    # The end of a row and the start of the next, or two corners, are not neighbors.
    found = set(zip(*_largest_part(hot), strict=True))
    assert found in ({(0, 0), (0, 1), (1, 0)}, {(0, 5), (1, 5), (2, 5)})
    hot[3, 5] = True
    found = set(zip(*_largest_part(hot), strict=True))
    assert found == {(0, 5), (1, 5), (2, 5), (3, 5)}


# --- The values --------------------------------------------------------------------------------


def test_the_average_of_the_map_is_the_logit(model: sqznet.Model, evidence: Evidence) -> None:
    logits = model.logits(model.preprocess(CHELSEA))[0]
    for index in (*evidence.ranking[:5], 0, 999):
        mean = evidence.class_map(index).mean(dtype=np.float64)
        assert mean == pytest.approx(float(logits[index]), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("base", ["squeezenet1_0", "squeezenet1_1"])
@pytest.mark.parametrize("padding", [0, 1])
def test_the_average_of_other_networks(tmp_path: Path, base: str, padding: int) -> None:
    made = networks.tensors(base, bypass="complex")
    path = networks.save(tmp_path / "net.safetensors", made)
    model = sqznet.load(path, threads=1, conv10_padding=padding, conv1_padding=padding)
    photo = networks.photo(1)
    evidence = LogitEvidence(model, photo)
    logits = model.logits(model.preprocess(photo))[0]
    for index in range(7):
        cells = evidence.class_map(index)
        # A zero pixel gives only the bias.
        border = max(0.0, float(made["classifier.1.bias"][index]))
        padded = np.pad(cells, padding, constant_values=border)
        assert padded.mean(dtype=np.float64) == pytest.approx(float(logits[index]), rel=1e-4)


def test_rounded_activations_change_little(shared: Path) -> None:
    model = sqznet.load(shared / "weights" / "squeezenet1_1.qdq-int8.onnx", threads=1)
    evidence = LogitEvidence(model, CHELSEA)
    index = evidence.index(None)
    logit = float(model.logits(model.preprocess(CHELSEA))[0, index])
    assert evidence.class_map(index).mean() == pytest.approx(logit, rel=0.05)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (37, 91), (499, 3), (240, 720)])
def test_any_size(small: Path, size: tuple[int, int]) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    for preprocessing in (None, CROP):
        each = sqznet.load(small, threads=1, preprocessing=preprocessing)
        heat = each.heatmap(photo)
        assert heat.shape == size
        assert heat.dtype == np.float32
        assert heat.min() >= 0
        assert 0 < heat.max() <= 1
        for box in each.localize(photo, top=3):
            assert 0 <= box.x0 < box.x1 <= size[1]
            assert 0 <= box.y0 < box.y1 <= size[0]


def test_the_hottest_place_is_one(model: sqznet.Model) -> None:
    assert model.heatmap(CHELSEA).max() == pytest.approx(1, abs=0.01)


def test_gray_and_bgr_photos(quick: sqznet.Model) -> None:
    from sqznet.images.frame import Frame

    with Image.open(CHELSEA) as photo:
        rgb = np.asarray(photo)
        gray = np.asarray(photo.convert("L"))
    bgr = quick.heatmap(Frame.wrap(rgb[:, :, ::-1], "bgr"))
    expected = quick.heatmap(rgb)
    np.testing.assert_array_equal(bgr, expected)
    assert bgr._repr_png_() == expected._repr_png_()
    assert Image.open(io.BytesIO(quick.heatmap(gray)._repr_png_() or b"")).size == (451, 300)


# --- Labels ------------------------------------------------------------------------------------


def test_a_label_is_a_name_or_an_index(quick: sqznet.Model) -> None:
    top = quick.classify(CHELSEA)[0]
    expected = quick.heatmap(CHELSEA)
    for label in (CAT, CAT.upper(), quick.labels.index(CAT), np.int64(quick.labels.index(CAT))):
        heat = quick.heatmap(CHELSEA, label)
        np.testing.assert_array_equal(heat, expected)
        assert (heat.label, heat.score) == (CAT, pytest.approx(top.score, rel=1e-6))
    assert not np.array_equal(quick.heatmap(CHELSEA, "lynx"), expected)


def test_of_two_classes_with_one_name_the_more_likely_is_taken(small: Path) -> None:
    model = sqznet.load(small, labels=["a", "b", "a", "c", "a", "d", "e"])
    evidence = LogitEvidence(model, networks.photo())
    assert evidence.index("a") == max((0, 2, 4), key=lambda i: evidence.scores[i])
    assert evidence.index("A") == evidence.index("a")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("Egyptain cat", r"no class is named 'Egyptain cat'; similar: 'Egyptian cat'"),
        ("qqqq\x1b", r"no class is named '.*x1b'$"),
        ("", "no class is named ''"),
        (1000, "label is '1000', expected the name or index of a class, 0 to 999"),
        (-1, "label is '-1'"),
        (True, "label is 'True'"),
        (1.0, r"label is '1\.0'"),
        ([CAT], "expected the name or index of a class"),
    ],
)
def test_other_labels_are_refused(evidence: Evidence, label: Any, message: str) -> None:
    with pytest.raises(SqznetError, match=message) as caught:
        evidence.index(label)
    assert str(caught.value).isprintable()


def test_a_heat_map_of_an_unknown_class_is_refused(model: sqznet.Model) -> None:
    with pytest.raises(SqznetError, match="no class is named 'none of these'"):
        model.heatmap(CHELSEA, "none of these")


# --- Boxes -------------------------------------------------------------------------------------


def test_a_box_for_each_of_the_top_classes(model: sqznet.Model) -> None:
    boxes = model.localize(CHELSEA, top=3)
    assert [(box.label, box.score) for box in boxes] == [
        (p.label, pytest.approx(p.score, rel=1e-6)) for p in model.classify(CHELSEA, top=3)
    ]
    assert model.localize(CHELSEA) == boxes[:1]
    box = boxes[0]
    assert isinstance(box, Box)
    assert [type(side) for side in box[:4]] == [int] * 4
    heat = np.asarray(model.heatmap(CHELSEA))
    inside = heat[box.y0 : box.y1, box.x0 : box.x1]
    # Every side of the box touches a hot place; a sample is 451 / 56 pixels.
    for edge in (inside[:8], inside[-8:], inside[:, :8], inside[:, -8:]):
        assert edge.max() >= BOX_HEAT - 0.02


def test_a_class_without_evidence(tmp_path: Path) -> None:
    made = networks.tensors()
    made["classifier.1.weight"][2] = 0
    made["classifier.1.bias"][2] = -1
    model = sqznet.load(networks.save(tmp_path / "net.safetensors", made))
    heat = model.heatmap(networks.photo(), 2)
    assert heat.shape == (60, 80)
    assert not heat.any()
    assert len(model.localize(networks.photo(), top=7)) == 6


@pytest.mark.parametrize("top", [0, -1, 1.5, True, None])
def test_other_numbers_of_boxes_are_refused(model: sqznet.Model, top: Any) -> None:
    with pytest.raises(SqznetError, match="top must be a whole number"):
        model.localize(CHELSEA, top)


# --- Errors ------------------------------------------------------------------------------------


def test_an_unreadable_photo_is_refused(model: sqznet.Model, tmp_path: Path) -> None:
    for call in (model.heatmap, model.localize):
        with pytest.raises(ImageError, match=r"absent\.jpg: no such file"):
            call(tmp_path / "absent.jpg")


def test_weights_that_were_replaced_meanwhile(small: Path) -> None:
    model = sqznet.load(small)
    expected = model.heatmap(networks.photo(), 0)
    assert expected.any()
    other = networks.save(small.parent / "other.safetensors", networks.tensors(seed=1))
    other.replace(small)
    np.testing.assert_array_equal(model.heatmap(networks.photo(), 0), expected)
    small.unlink()
    np.testing.assert_array_equal(model.heatmap(networks.photo(), 0), expected)


# --- In a notebook -----------------------------------------------------------------------------


def test_a_heat_map_is_displayed(quick: sqznet.Model) -> None:
    heat = quick.heatmap(on_gray(0, 0, (1280, 800)))
    assert isinstance(heat, HeatMap)
    png = heat._repr_png_()
    assert png is not None
    shown = np.asarray(Image.open(io.BytesIO(png)))
    assert shown.shape == (400, 640, 3)
    # Hot places are bright and red, cold ones show the photo darkened.
    assert shown[:120, :150, 0].mean() > 1.5 * shown[200:, 320:, 0].mean()


def test_only_a_whole_heat_map_is_displayed(quick: sqznet.Model) -> None:
    heat = quick.heatmap(CHELSEA)
    for derived in (heat[10:20], heat.T, heat.copy()):
        assert derived._repr_png_() is None
    for plain in (heat * 2, heat > 0.5, heat.sum(axis=0), np.asarray(heat)):
        assert type(plain) is np.ndarray
    assert isinstance(heat.max(), np.float32)


def test_a_heat_map_is_picklable(quick: sqznet.Model) -> None:
    photo = on_gray(100, 80, (1600, 1000))
    heat = quick.heatmap(photo)
    pickled = pickle.dumps(heat)
    assert len(pickled) < heat.nbytes + 640 * 400 * 3 + 2000
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(again, heat)
    assert (again.label, again.score) == (heat.label, heat.score)
    assert again._repr_png_() == heat._repr_png_()
