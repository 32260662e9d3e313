"""SqueezeDet's checkpoints: as the programs save them, against the paper's decoding in NumPy."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels
from sqznet.engine import bands
from sqznet.engine.program import Workspace
from sqznet.network import reference
from sqznet.network.convdet import KITTI_ANCHORS, AnchorDesign
from sqznet.weights import detectors as json_of

from ..support import networks, squeezedet_files
from ..support.keras_files import layer_names_file

Array = Any

SIZE = (128, 160)
PHOTO = networks.photo(3)
SETS = [n for n, families, runs, _ in _kernels.instruction_sets() if "f32" in families and runs]


@pytest.fixture(scope="module", params=[False, True], ids=["SqueezeDet", "SqueezeDet+"])
def plus(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def path(plus: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("squeezedet") / "model.npz"
    return squeezedet_files.save_npz(file, squeezedet_files.layers(plus))


def output(detector: Any, photos: list[Array]) -> Array:
    """(N, channels, H, W)"""

    def read(workspace: Workspace) -> Array:
        (y,) = (np.array(y) for y in workspace.outputs.values())
        return y.transpose(0, 3, 1, 2)

    return detector.passed([detector.decode(photo) for photo in photos], read)


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("size", [SIZE, (144, 176)])
def test_the_network_is_the_program_s(path: Path, plus: bool, isa: str, size: Any) -> None:
    made = squeezedet_files.tensors(squeezedet_files.layers(plus), plus)
    for threads in (1, 3):
        detector = sqznet.load_detector(path, size=size, isa=isa, threads=threads)
        x = np.concatenate([detector.preprocess(photo) for photo in (PHOTO, PHOTO[::-1])])
        wanted = squeezedet_files.outputs(made, x, plus)
        found = output(detector, [PHOTO, PHOTO[::-1].copy()])
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_bands_change_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = output(sqznet.load_detector(path, size=SIZE, threads=1), [PHOTO])
    monkeypatch.setattr(bands, "LARGE", 1)
    monkeypatch.setattr(bands, "BAND", 1)
    found = output(sqznet.load_detector(path, size=SIZE, threads=1), [PHOTO])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_boxes_are_the_reference_s(path: Path) -> None:
    detector = sqznet.load_detector(path, size=SIZE, threads=1)
    assert isinstance(detector.design, AnchorDesign)
    y = output(detector, [PHOTO])[0]
    height, width = PHOTO.shape[:2]
    for threshold in (0.0, 0.19, 0.21):
        wanted = reference.anchor_boxes(detector.design, np.float64(y), SIZE, [threshold] * 3)
        found = detector.detect(PHOTO, threshold)
        assert [(d.index, d.label) for d in found] == [
            (i, detector.labels[i]) for i, _, _ in wanted
        ]
        for detection, (_, score, box) in zip(found, wanted, strict=True):
            assert detection.score == pytest.approx(score, abs=1e-6)
            sides = np.array(detection.box[:4]) / [width, height, width, height]
            assert np.abs(sides - box).max() < 1e-5
    assert len(detector.detect(PHOTO, 0.0)) > 5


def boxes(y: Array, design: AnchorDesign, thresholds: list[float], most: int = 64) -> Any:
    """What the kernels find in an output (channels, H, W), for an input of 200 x 300 pixels."""
    nhwc = np.ascontiguousarray(y.transpose(1, 2, 0)[None], np.float32)
    return _kernels.anchor_boxes(
        _kernels.Tensor.over(nhwc, nhwc.shape),
        0,
        design.anchors,
        thresholds,
        (200, 300),
        design.limit,
        design.iou,
        design.candidates,
        most,
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [1, 3])
def test_decoding(seed: int, classes: int) -> None:
    """Sides beyond the limit, boxes across the edges, and more candidates than are compared."""
    rng = np.random.default_rng(seed)
    design = AnchorDesign((), "head.conv12", KITTI_ANCHORS[:4], candidates=30 if seed % 2 else 500)
    y = rng.normal(0, 2, (4 * (classes + 5), 5, 7)).astype(np.float32)
    thresholds = [0.1 + 0.1 * i for i in range(classes)]
    wanted = reference.anchor_boxes(design, np.float64(y), (200, 300), thresholds, 20)
    found = boxes(y, design, thresholds, 20)
    assert len(found) > 3
    assert [index for index, *_ in found] == [index for index, _, _ in wanted]
    for (_, score, *sides), (_, expected, box) in zip(found, wanted, strict=True):
        assert score == pytest.approx(expected, abs=1e-6)
        assert np.abs(np.array(sides) - box).max() < 1e-5


@pytest.mark.parametrize("channel", [0, 12, 16])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_finite(channel: int, value: float) -> None:
    design = AnchorDesign((), "head.conv12", KITTI_ANCHORS[:4])
    y = np.ones((4 * 8, 3, 3), np.float32)
    y[channel, 1, 1] = value
    with pytest.raises(ValueError, match="an output is not finite"):
        boxes(y, design, [0.1] * 3)


def test_it_knows_what_its_program_does(path: Path, plus: bool) -> None:
    detector = sqznet.load_detector(path, threads=1)
    assert detector.labels == ("car", "pedestrian", "cyclist")
    assert detector.size == ((375, 1242) if plus else (384, 1248))
    assert detector.precision == "float32"
    identity = sqznet.identify(path)
    assert (identity.strides, identity.classes) == ((16,), 3)
    assert identity.variant == ("squeezenet1_0" if plus else "squeezenet1_1")
    assert identity.reasons["preprocessing"] == "SqueezeDet's configuration for KITTI"
    again = pickle.loads(pickle.dumps(detector))
    assert again.fingerprint == detector.fingerprint


def test_sizes(path: Path, plus: bool) -> None:
    """The maps of SqueezeDet+ may end anywhere; SqueezeDet pads even sides only at their end."""
    if plus:
        assert sqznet.load_detector(path, size=(131, 150)).size == (131, 150)
    else:
        with pytest.raises(sqznet.SqznetError, match="from 128 up that are multiples of 16"):
            sqznet.load_detector(path, size=(131, 150))
    with pytest.raises(sqznet.SqznetError, match="size is 112 x 160 pixels, expected sides from"):
        sqznet.load_detector(path, size=(112, 160))


def test_conversion(path: Path, tmp_path: Path) -> None:
    made = sqznet.convert(path, tmp_path / "copy.safetensors")
    before, after = (sqznet.load_detector(p, size=SIZE, threads=1) for p in (path, made.path))
    assert after.fingerprint == before.fingerprint
    assert after.detect(PHOTO, 0.1) == before.detect(PHOTO, 0.1)


def test_onnx(path: Path, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    copy = sqznet.convert(path, tmp_path / "copy.safetensors")
    made = sqznet.convert(copy.path, tmp_path / "out.onnx")
    detector = sqznet.load_detector(path, threads=1)
    session = ort.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": detector.preprocess(PHOTO)})
    wanted = output(detector, [PHOTO])
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_keras(tmp_path: Path) -> None:
    """Its first convolution has no name; each photo is normalized by itself."""
    pytest.importorskip("h5py", reason="reads Keras's files")
    layers = squeezedet_files.layers()
    named = [("conv2d_1", *layers[0][1:]), *layers[1:]]
    path = layer_names_file(tmp_path / "model.h5", named)
    detector = sqznet.load_detector(path, size=SIZE, threads=1)
    assert detector.labels == ("cyclist", "pedestrian", "car")
    x = detector.preprocess(PHOTO)
    assert abs(x.mean()) < 1e-5
    assert x.std() == pytest.approx(1)
    wanted = squeezedet_files.outputs(squeezedet_files.tensors(layers), x)
    found = output(detector, [PHOTO])
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
    gray = np.full((50, 60, 3), 90, np.uint8)
    assert np.abs(detector.preprocess(gray)).max() < 1e-6
    made = sqznet.convert(path, tmp_path / "copy.safetensors")
    after = sqznet.load_detector(made.path, size=SIZE, threads=1)
    assert after.detect(PHOTO, 0.1) == detector.detect(PHOTO, 0.1)


def test_it_computes_in_float32_only(path: Path) -> None:
    assert sqznet.load_detector(path, precision="auto").precision == "float32"
    with pytest.raises(sqznet.WeightsError, match="head of a SqueezeDet computes in float32 only"):
        sqznet.load_detector(path, precision="int8")
    with pytest.raises(sqznet.SqznetError, match="a SqueezeDet cannot be quantized"):
        sqznet.load_detector(path, size=SIZE).quantize([PHOTO] * 4)


def test_faults(tmp_path: Path) -> None:
    given = squeezedet_files.layers()
    cases = {
        r"fire9/expand3x3\.weight is missing": [x for x in given if x[0] != "fire9/expand3x3"],
        r"fire10\.squeeze\.weight is missing": [x for x in given if x[0] != "fire10/squeeze1x1"],
        "'head.conv12' has 47 outputs, expected for each of its 9 anchors one for each": [
            *given[:-1],
            ("conv12", given[-1][1][..., :47], given[-1][2][:47]),
        ],
    }
    without_kernel = squeezedet_files.variables(given)
    del without_kernel["conv12/kernels"]
    np.savez(tmp_path / "bad.npz", **without_kernel)
    with pytest.raises(sqznet.WeightsError, match=r"bad\.npz"):
        sqznet.load_detector(tmp_path / "bad.npz")
    for said, layers in cases.items():
        path = squeezedet_files.save_npz(tmp_path / "bad.npz", layers)
        with pytest.raises(sqznet.WeightsError, match=said):
            sqznet.load_detector(path)
    with pytest.raises(sqznet.WeightsError, match=r"is a detector, which sqznet\.load_detector"):
        sqznet.load(squeezedet_files.save_npz(tmp_path / "good.npz", given))


def test_other_classes_have_numbers(tmp_path: Path) -> None:
    path = squeezedet_files.save_npz(tmp_path / "a.npz", squeezedet_files.layers(classes=2))
    assert sqznet.load_detector(path, size=SIZE).labels == ("class 0", "class 1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"anchors": []}, "anchors: expected a list of 1 to 64 sizes"),
        ({"anchors": [[1, 2, 3]]}, "an anchor is a list, expected its width and height"),
        ({"anchors": [[0, 2]]}, "a side of an anchor is 0, expected a number from 1 to 4096"),
        ({"stem": 9}, "stem is 9, expected a whole number from 1 to 7"),
        ({"levels": []}, "unknown field 'levels'"),
        ({"output": "conv12"}, "output is 'conv12', expected head. and then"),
        ({"nms": {"iou": 2}}, "iou is 2, expected a number from 0 to 1"),
        ({"layers": ["head.conv12"]}, "the layer 'head.conv12' has two places"),
    ],
)
def test_bad_descriptions(changes: dict[str, Any], said: str) -> None:
    stated = json_of.to_json(AnchorDesign(("head.fire10",), "head.conv12", stem=4))
    assert json_of.to_json(json_of.from_json(stated)) == stated
    with pytest.raises(sqznet.WeightsError) as caught:
        json_of.from_json({**stated, **changes})
    assert said in str(caught.value)
