"""Whole networks, quantized with a few photos."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.calibration import quantizing
from sqznet.errors import ImageError, SqznetError, WeightsError
from sqznet.network.variants import Wiring
from sqznet.quantization import reference
from sqznet.quantization.integers import integer_convs
from sqznet.quantization.plan import plan
from sqznet.weights import Checkpoint
from sqznet.weights.integers import integers_text

from ..support import networks
from ..support.checkpoints import assert_same_tensors
from ..support.int8_onnx_files import Int8Exporter
from ..support.quantizable import small_model, some_photos
from ..support.torch_files import safetensors_file

NETWORKS = {
    "1.1": ("squeezenet1_1", ""),
    "1.0": ("squeezenet1_0", ""),
    "1.1, padded": ("squeezenet1_1", "", Wiring(conv1_padding=1, conv10_padding=1)),
    "1.1, no ReLU": ("squeezenet1_1", "", Wiring(conv10_relu=False)),
    "1.1, simple bypass": ("squeezenet1_1", "simple"),
    "1.1, complex bypass": ("squeezenet1_1", "complex", Wiring(conv10_padding=1)),
}


def integer_logits(checkpoint: Checkpoint, levels: Any) -> Any:
    assert checkpoint.integers is not None
    network = checkpoint.network()
    planned = plan(network, checkpoint.integers)
    tensors = quantizing.float_tensors(checkpoint)
    convs = integer_convs(planned, lambda name: tensors[f"{name}.weight"])
    return reference.forward(network, convs, planned, levels)


@pytest.mark.parametrize("keep_weights", [True, False], ids=["scales", "integers"])
@pytest.mark.parametrize("name", NETWORKS)
def test_integers_answer_almost_like_floats(tmp_path: Path, name: str, keep_weights: bool) -> None:
    model = small_model(tmp_path / "small.safetensors", *NETWORKS[name])
    found = model.quantize(some_photos(12), keep_weights)
    assert (found.calibrated, found.judged) == (9, 3)
    assert 0 <= found.divergence < 0.02
    other = networks.photo(77)
    levels = quantizing.gray_levels(model, other)
    expected = model.logits(quantizing.normalized(model, levels))
    logits = integer_logits(found.checkpoint, levels)
    # Eight bits for each of ten layers of a few channels.
    assert np.abs(logits - expected).max() < 0.2 * np.abs(expected).max()


@pytest.mark.parametrize("keep_weights", [True, False], ids=["scales", "integers"])
def test_a_file_with_integers_of_its_own_is_quantized_anew(
    tmp_path: Path, keep_weights: bool
) -> None:
    x = networks.inputs(5, 2, 64, 64) / np.float32(30)  # of the magnitude of normalized photos
    path, target = tmp_path / "own.onnx", tmp_path / "new.safetensors"
    path.write_bytes(Int8Exporter(networks.tensors(seed=4), x=x).bytes())
    model = sqznet.load(path, precision="float32", threads=1)
    model.quantize(some_photos(12), keep_weights).save(target)
    photo = model.preprocess(networks.photo(77))
    expected = model.logits(photo)
    for precision in ("float32", "int8"):
        found = sqznet.load(target, precision=precision, threads=1).logits(photo)
        assert np.abs(found - expected).max() < 0.2 * np.abs(expected).max()


class Made(NamedTuple):
    """A small network, its integers, and the file of them."""

    model: sqznet.Model
    found: quantizing.Quantized
    path: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("quantized")
    model = small_model(folder / "small.safetensors")
    found = model.quantize(some_photos())
    found.save(folder / "int8.safetensors")
    return Made(model, found, folder / "int8.safetensors")


@pytest.mark.parametrize("bypass", ["", "complex"])
def test_a_saved_file_is_read_back_bit_for_bit(tmp_path: Path, bypass: str) -> None:
    model = small_model(tmp_path / "small.safetensors", "squeezenet1_1", bypass)
    found = model.quantize(some_photos())
    found.save(tmp_path / "int8.safetensors")
    again = weights.read(tmp_path / "int8.safetensors")
    assert_same_tensors(again, found.checkpoint)
    assert again.integers == found.checkpoint.integers
    assert again.preprocessing == model.preprocessing
    assert again.variant == model.variant
    assert again.tensors["features.0.weight"].dtype == "int8"
    levels = quantizing.gray_levels(model, networks.photo(3))
    np.testing.assert_array_equal(
        integer_logits(again, levels), integer_logits(found.checkpoint, levels)
    )


def test_the_file_runs_in_float32_too(made: Made) -> None:
    other = sqznet.load(made.path, threads=1)
    x = made.model.preprocess(networks.photo(5))
    expected = made.model.logits(x)
    assert np.abs(other.logits(x) - expected).max() < 0.05 * np.abs(expected).max()


def test_kept_weights_are_those_of_the_source(tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors")
    model.quantize(some_photos(), keep_weights=True).save(tmp_path / "both.safetensors")
    both = weights.read(tmp_path / "both.safetensors")
    assert_same_tensors(both, model.checkpoint)
    assert both.integers is not None


def test_the_same_photos_give_the_same_file(made: Made, tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors")
    model.quantize(some_photos()).save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == made.path.read_bytes()


def test_a_quantized_network_can_be_quantized_again(made: Made) -> None:
    again = sqznet.load(made.path, threads=1).quantize(some_photos())
    assert again.divergence < 0.02


@pytest.mark.parametrize("ending", ["safetensors", "pth", "npz"])
def test_conversion_keeps_the_integers(made: Made, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"other.{ending}"
    sqznet.convert(made.path, target)
    levels = quantizing.gray_levels(made.model, networks.photo(3))
    np.testing.assert_array_equal(
        integer_logits(weights.read(target), levels), integer_logits(made.found.checkpoint, levels)
    )
    if ending == "safetensors":
        assert target.read_bytes() == made.path.read_bytes()


def test_tensors_of_integers_can_be_sent_to_another_process(made: Made) -> None:
    tensor = made.found.checkpoint.tensors["features.3.squeeze.weight"]
    for again in (pickle.loads(pickle.dumps(tensor)), tensor.copy()):
        assert vars(again) == vars(tensor)
        assert again.input_scales is not None


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_photos(tmp_path: Path, count: int) -> None:
    model = small_model(tmp_path / "small.safetensors")
    with pytest.raises(SqznetError, match=f"found {count}, expected 2 or more, better 80"):
        model.quantize(some_photos(count))


def test_two_photos_are_enough(tmp_path: Path) -> None:
    found = small_model(tmp_path / "small.safetensors").quantize(some_photos(2))
    assert (found.calibrated, found.judged) == (1, 1)


def test_photos_are_divided_evenly() -> None:
    used, apart = quantizing.divided(8)
    assert (used, apart) == ([0, 1, 2, 4, 5, 6], [3, 7])
    used, apart = quantizing.divided(1000)
    assert (len(used), len(apart)) == (quantizing.CALIBRATED, quantizing.JUDGED)
    assert not set(used) & set(apart)
    assert max(used) > 950
    assert max(apart) > 950


def test_a_network_without_a_classifier_is_refused(tmp_path: Path) -> None:
    made = networks.tensors()
    features = {name: made[name] for name in made if not name.startswith("classifier")}
    model = sqznet.load(networks.save(tmp_path / "features.safetensors", features))
    with pytest.raises(SqznetError, match="quantizing needs a network with a classifier"):
        model.quantize(some_photos())


def test_an_unreadable_photo_is_an_error(tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors")
    with pytest.raises(ImageError, match=r"absent\.jpg"):
        model.quantize([*some_photos(), tmp_path / "absent.jpg"])


def test_progress_is_reported_as_often_as_announced(tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors")
    calls: list[None] = []
    errors: list[ImageError] = []
    photos = [*some_photos(6), tmp_path / "absent.jpg"]
    found = quantizing.quantize(model, photos, False, lambda: calls.append(None), errors.append)
    assert len(calls) == quantizing.steps(model, len(photos))
    assert found.calibrated + found.judged == 6
    assert len(errors) == 1


def test_integers_without_their_scales_are_refused(tmp_path: Path) -> None:
    header = {"features.0.weight": {"dtype": "I8", "shape": [1, 1], "data_offsets": [0, 1]}}
    path = tmp_path / "int8.safetensors"
    path.write_bytes(safetensors_file(header, b"\1"))
    with pytest.raises(WeightsError, match="element type I8"):
        weights.read(path)


def test_integers_of_another_network_are_refused(tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors")
    found = model.quantize(some_photos())
    integers = found.checkpoint.integers
    assert integers is not None
    conv = integers.convs["features.3.squeeze"]
    shorter = conv._replace(bias=conv.bias[1:])
    convs = {**integers.convs, "features.3.squeeze": shorter}
    text = integers_text(integers._replace(convs=convs))
    stated = weights.metadata.dump(model.variant, model.preprocessing, None, Wiring(), text)
    checkpoint = found.checkpoint._replace(metadata=stated)
    found._replace(checkpoint=checkpoint).save(tmp_path / "int8.safetensors")
    with pytest.raises(WeightsError, match=r"do not fit its tensors: bias of features\.3\.squeeze"):
        weights.read(tmp_path / "int8.safetensors")


def test_comparisons() -> None:
    expected = np.array([[0.0, 0.0], [np.log(3.0), 0.0]], np.float32)
    found = np.array([[0.0, 0.0], [0.0, np.log(3.0)]], np.float32)
    agreement, divergence = quantizing.compare(expected, found)
    assert agreement == 0.5
    assert divergence == pytest.approx((0.75 - 0.25) * np.log(3.0) / 2)
    assert quantizing.compare(expected, expected) == (1.0, 0.0)
