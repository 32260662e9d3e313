"""Detectors of 8-bit integers: the same bits as the reference, and how they are quantized."""

from __future__ import annotations

import pickle
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet import _kernels, weights
from sqznet.calibration import quantizing
from sqznet.detection.quantizing import agreements, quantize
from sqznet.engine import bands
from sqznet.engine.program import Workspace
from sqznet.errors import WeightsError
from sqznet.quantization import reference
from sqznet.quantization.integers import integer_convs
from sqznet.quantization.plan import plan
from sqznet.weights.integers import integers_text

from ..support import detectors, networks
from ..support.checkpoints import assert_same_tensors
from ..support.commands import Run

Array = Any

LOW = 0.15
SETS = [n for n, families, runs, _ in _kernels.instruction_sets() if "int8" in families and runs]
PHOTOS = [networks.photo(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return detectors.save(tmp_path_factory.mktemp("int8") / "small.safetensors")


@pytest.fixture(scope="module")
def path(small: Path) -> Path:
    """A detector of int8 weights."""
    target = small.with_name("int8.safetensors")
    sqznet.load_detector(small, threads=1).quantize(PHOTOS).save(target)
    return target


def load(path: Path, **options: Any) -> Any:
    return sqznet.load_detector(path, **{"precision": "int8", "threads": 1, **options})


def outputs(detector: Any, photos: list[Array]) -> dict[str, Array]:
    def read(workspace: Workspace) -> dict[str, Array]:
        return {name: np.array(y) for name, y in workspace.outputs.items()}

    found: dict[str, Array] = detector.passed([detector.decode(photo) for photo in photos], read)
    return found


def expected(path: Path, photos: list[Array], size: Any = None) -> dict[str, Array]:
    """What the reference gives for these photos, by the names of the levels."""
    checkpoint = weights.read(path)
    assert checkpoint.integers is not None
    network = checkpoint.network()
    planned = plan(network, checkpoint.integers)
    tensors = quantizing.float_tensors(checkpoint)
    convs = integer_convs(planned, lambda name: tensors[f"{name}.weight"])
    plain = sqznet.load_detector(path, precision="float32", threads=1, size=size)
    levels = np.concatenate([quantizing.gray_levels(plain, photo) for photo in photos])
    found = reference.layer_outputs(network, convs, planned, levels)
    return {name: found[name] for name in network.outputs}


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("size", [128, (160, 192)])
def test_outputs_are_the_reference_s(path: Path, isa: str, size: Any) -> None:
    wanted = expected(path, PHOTOS[:3], size)
    assert list(wanted) == ["level1", "level2", "level3"]
    for threads in (1, 3):
        found = outputs(load(path, isa=isa, threads=threads, size=size), PHOTOS[:3])
        for name, y in found.items():
            assert len(np.unique(y)) > 50  # not all the same
            assert y.tobytes() == wanted[name].tobytes(), name


def test_bands_change_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = outputs(load(path, size=192), PHOTOS[:2])
    monkeypatch.setattr(bands, "LARGE", 1)
    monkeypatch.setattr(bands, "BAND", 1)
    for threads in (1, 2):
        detector = load(path, size=192, threads=threads)
        layers = [index for index, _ in detector.executor.acquire(1, 192, 192).by_layer()]
        assert len(layers) > len(set(layers))  # it does run in bands
        for name, y in outputs(detector, PHOTOS[:2]).items():
            assert y.tobytes() == wanted[name].tobytes(), name


def test_answers_are_those_of_float32(path: Path, small: Path) -> None:
    """But for the rounding: eight bits for each of more than ten layers of a few channels."""
    exact = sqznet.load_detector(small, threads=1)
    rounded = load(path)
    pairs = [(exact.detect(photo, 0.2), rounded.detect(photo, 0.2)) for photo in PHOTOS]
    agreement, close = agreements(pairs)
    assert agreement > 0.8
    assert close <= agreement
    logits, ours = (
        np.concatenate([y.ravel() for y in outputs(d, PHOTOS).values()]) for d in (exact, rounded)
    )
    assert np.abs(ours - logits).max() < 0.2 * np.abs(logits).max()


def test_maps_take_a_third_of_the_memory(path: Path) -> None:
    floats, integers = (
        load(path, precision=precision).executor.acquire(1, 256, 256).nbytes
        for precision in ("float32", "int8")
    )
    assert integers < 0.35 * floats


def test_the_precision_is_that_asked_for(
    path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(path, precision=None).precision == "float32"
    assert "int8" in repr(load(path))
    assert load(path, precision="auto", isa="scalar").precision == "float32"
    if "avx512_vnni" in SETS:
        assert load(path, precision="auto").precision == "int8"
    assert load(small, precision="auto").precision == "float32"
    with pytest.raises(WeightsError, match="does not say how its weights become integers"):
        load(small)
    monkeypatch.setenv("SQZNET_PRECISION", "int8")
    assert load(path, precision=None).precision == "int8"


def test_fingerprints_and_copies(path: Path) -> None:
    detector = load(path, size=160)
    assert detector.fingerprint != load(path, size=160, precision="float32").fingerprint
    again = pickle.loads(pickle.dumps(detector))
    assert (again.precision, again.fingerprint) == ("int8", detector.fingerprint)
    assert again.detect(PHOTOS[0], LOW) == detector.detect(PHOTOS[0], LOW)


@pytest.mark.parametrize("keep_weights", [True, False], ids=["scales", "integers"])
def test_a_saved_file_is_read_back_bit_for_bit(
    small: Path, tmp_path: Path, keep_weights: bool
) -> None:
    detector = sqznet.load_detector(small, threads=1)
    made = detector.quantize(PHOTOS, keep_weights)
    assert (made.calibrated, made.judged) == (6, 2)
    assert 0.6 < made.agreement <= 1
    made.save(tmp_path / "int8.safetensors")
    again = weights.read(tmp_path / "int8.safetensors")
    assert_same_tensors(again, made.checkpoint)
    assert again.integers == made.checkpoint.integers
    assert again.detector == detector.design
    assert again.tensors["head.cls.weight"].dtype == ("float32" if keep_weights else "int8")
    found = load(tmp_path / "int8.safetensors")
    assert found.labels == detectors.LABELS
    wanted = sqznet.Detector(made.checkpoint, precision="int8", threads=1)
    assert found.detect(PHOTOS, LOW) == wanted.detect(PHOTOS, LOW)
    if keep_weights:
        plain = sqznet.load_detector(tmp_path / "int8.safetensors", threads=1)
        assert plain.detect(PHOTOS, LOW) == detector.detect(PHOTOS, LOW)


def test_levels_have_one_scale(path: Path) -> None:
    integers = weights.read(path).integers
    assert integers is not None
    names = ("head.near", "head.middle", "head.far")
    scales = {tuple(integers.convs[name].output_scales) for name in names}
    assert len(scales) == 1
    other = integers.convs["head.near"]._replace(output_scales=array("f", [0.5]))
    convs = {**integers.convs, "head.near": other}
    network = weights.read(path).network()
    with pytest.raises(WeightsError, match=r"head\.both, which levels share, reads maps of d"):
        plan(network, integers._replace(convs=convs))


def test_integers_of_another_network_are_refused(path: Path, small: Path, tmp_path: Path) -> None:
    integers = weights.read(path).integers
    assert integers is not None
    convs = {name: conv for name, conv in integers.convs.items() if name != "head.cls"}
    stated = {**detectors.metadata(), "integers": integers_text(integers._replace(convs=convs))}
    made = networks.save(tmp_path / "no.safetensors", detectors.tensors(), stated)
    with pytest.raises(WeightsError, match=r"its integers: nothing about head\.cls"):
        load(made)


def test_conversion_keeps_the_integers(path: Path, tmp_path: Path) -> None:
    sqznet.convert(path, tmp_path / "copy.safetensors")
    assert (tmp_path / "copy.safetensors").read_bytes() == path.read_bytes()


def test_an_onnx_file_of_integers(path: Path, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    made = sqznet.convert(path, tmp_path / "out.onnx")
    assert b"QuantizeLinear" in Path(made.path).read_bytes()
    session = ort.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    detector = load(path)
    floats = sqznet.load_detector(path, precision="float32", threads=1)
    x = np.concatenate([floats.preprocess(photo) for photo in PHOTOS[:2]])
    wanted = outputs(detector, PHOTOS[:2])
    for level, y in enumerate(session.run(None, {"input": x}), 1):
        found = wanted[f"level{level}"].transpose(0, 3, 1, 2)
        # onnxruntime's sums of bytes may saturate on processors without VNNI.
        assert np.abs(y - found).max() <= 0.05 * np.abs(found).max()


def test_progress_and_unreadable_photos(small: Path, tmp_path: Path) -> None:
    detector = sqznet.load_detector(small, threads=1)
    calls: list[None] = []
    errors: list[Exception] = []
    photos = [*PHOTOS, tmp_path / "absent.jpg"]
    made = quantize(detector, photos, False, lambda: calls.append(None), errors.append)
    assert len(calls) == quantizing.steps(detector, len(photos))
    assert made.calibrated + made.judged == len(PHOTOS)
    assert len(errors) == 1
    with pytest.raises(sqznet.ImageError, match=r"absent\.jpg"):
        detector.quantize(photos)
    with pytest.raises(sqznet.SqznetError, match="found 1, expected 2 or more"):
        detector.quantize(PHOTOS[:1])


def test_agreements() -> None:
    def box(x: float, index: int = 0) -> sqznet.Detection:
        place = sqznet.Box(x, 0, x + 10, 10, "ant", 0.5)
        return sqznet.Detection(f"{index}", 0.5, index, place)

    assert agreements([([], [])]) == (1, 1)
    assert agreements([([box(0)], [])]) == (0, 0)
    assert agreements([([box(0)], [box(0, 1)])]) == (0, 0)
    assert agreements([([box(0)], [box(0)]), ([box(0)], [box(3)])]) == (1, 0.5)
    assert agreements([([box(0)], [box(0), box(0)])]) == (pytest.approx(2 / 3),) * 2


def test_the_command(small: Path, tmp_path: Path, run: Run) -> None:
    for i, photo in enumerate(PHOTOS):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
    target = tmp_path / "int8.safetensors"
    code, out, err = run("quantize", small, tmp_path, "-o", target, "--threads", "1")
    assert (code, err) == (0, "")
    assert f"{target}: {target.stat().st_size} bytes, calibrated with 6 photos" in out
    assert "% of the boxes are as in float32, " in out
    options = ("--model", target, "--precision", "int8", "--threshold", "0.2", "--format", "json")
    code, out, err = run("detect", tmp_path / "0.png", *options)
    assert (code, err) == (0, "")
    assert f'"{load(target).fingerprint}"' in out
    code, out, err = run("quantize", small, tmp_path, "-o", target, "--labels", "labels.txt")
    assert code == 2
    assert err.endswith("small.safetensors: is a detector, which takes no --labels\n")
