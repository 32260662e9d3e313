"""Whole networks on real photos, against logits computed in float64 by another framework.

Needs the folder of shared data; elsewhere, the golden file replaces it (test_golden.py).
"""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels

from ..conftest import EMULATED

Array = Any

NETWORKS = ("squeezenet1_0", "squeezenet1_1")
# Relative to a photo's largest logit. The project promises 1e-4; the usual error of float32 is far
# smaller, and a kernel that suddenly loses digits should be noticed.
PROMISED, USUAL = 1e-4, 2e-5
FITS = ("squash", "crop")


def framed(path: Path, fit: str) -> Any:
    """The photo framed as for the reference, for a model that squashes to 224 x 224.

    The reference's crop rounds the longer side, and rounds half the margin down. torchvision
    truncates and rounds instead, which shifts some photos by a pixel and changes logits by several
    percent. So the crop is made here, and only the network is compared.
    """
    if fit == "squash":
        return path
    from PIL import Image

    with Image.open(path) as opened:
        image = opened.convert("RGB")
    scale = 256 / min(image.size)
    width, height = (256 if side == min(image.size) else round(side * scale) for side in image.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + 224, top + 224)))


@pytest.fixture(scope="module")
def logits(shared: Path) -> dict[str, Array]:
    with np.load(shared / "reference" / "logits_224.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def photos(shared: Path) -> list[Path]:
    with open(shared / "reference" / "labels.csv", newline="", encoding="utf-8") as file:
        return [shared / "images" / row["file"] for row in csv.DictReader(file)]


def relative_error(found: Array, expected: Array) -> float:
    """The largest logit error relative to the photo's largest logit, for the worst photo."""
    assert found.shape == expected.shape
    return float((np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)).max())


def assert_same_top5(found: Array, expected: Array) -> None:
    """The same five classes, if the fifth and the sixth differ by more than the error."""
    for ours, theirs in zip(found, expected, strict=True):
        order = np.argsort(-theirs)
        if theirs[order[4]] - theirs[order[5]] > np.abs(ours - theirs).max():
            assert set(np.argsort(-ours)[:5]) == set(order[:5])


@pytest.mark.parametrize("network", NETWORKS)
def test_logits_on_every_instruction_set(
    shared: Path, logits: dict[str, Array], table: _kernels.Float32Kernels, network: str
) -> None:
    photos = 5 if EMULATED else 8
    with np.load(shared / "reference" / "input_224.npz") as stored:
        x = stored["first8_squash"][:photos]
    model = sqznet.load(shared / "weights" / f"{network}.pth", threads=2, isa=table.isa)
    assert model.variant == network
    error = relative_error(model.logits(x), logits[f"{network}.squash"][:photos])
    assert error <= PROMISED
    assert error <= USUAL


@pytest.mark.parametrize("name", ["squeezenet1_1.safetensors", "squeezenet1_1.legacy.pth"])
def test_other_files_of_the_same_weights(shared: Path, name: str) -> None:
    with np.load(shared / "reference" / "input_224.npz") as stored:
        x = stored["first8_squash"][:2]
    expected = sqznet.load(shared / "weights" / "squeezenet1_1.pth", threads=1).logits(x)
    found = sqznet.load(shared / "weights" / name, threads=1).logits(x)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("fit", FITS)
def test_the_first_photos_from_file_to_logits(
    shared: Path, logits: dict[str, Array], photos: list[Path], fit: str
) -> None:
    weights = shared / "weights" / "squeezenet1_1.safetensors"
    model = sqznet.load(weights, threads=2, preprocessing="squash-bgr")
    x = np.concatenate([model.preprocess(framed(path, fit)) for path in photos[:5]])
    assert relative_error(model.logits(x), logits[f"squeezenet1_1.{fit}"][:5]) <= PROMISED


@pytest.mark.slow
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("network", NETWORKS)
def test_all_photos_with_float32_weights(
    shared: Path,
    logits: dict[str, Array],
    photos: list[Path],
    table: _kernels.Float32Kernels,
    network: str,
    fit: str,
) -> None:
    if table.isa == "scalar":
        pytest.skip("takes minutes; the first photos are tested above")
    weights = shared / "weights" / f"{network}.pth"
    model = sqznet.load(weights, threads=2, isa=table.isa, preprocessing="squash-bgr")
    expected = logits[f"{network}.{fit}"]
    x = (model.preprocess(framed(path, fit)) for path in photos)
    found = np.concatenate([model.logits(one) for one in x])
    assert relative_error(found, expected) <= PROMISED
    assert relative_error(found, expected) <= USUAL
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert_same_top5(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("fit", FITS)
def test_all_photos_with_the_bundled_weights(
    logits: dict[str, Array], photos: list[Path], fit: str
) -> None:
    """float16 weights compared with the float32 weights' logits, through `classify`."""
    expected = logits[f"squeezenet1_1.{fit}"]
    answers = sqznet.load().classify([framed(path, fit) for path in photos])
    best = [{p.index for p in answer} for answer in answers]
    wanted = [set(np.argsort(-row)[:5].tolist()) for row in expected]
    top1 = sum(a[0].index == row.argmax() for a, row in zip(answers, expected, strict=True))
    assert top1 >= 249
    assert sum(a == b for a, b in zip(best, wanted, strict=True)) >= 245


@pytest.mark.parametrize(
    ("name", "label"),
    [("chelsea.png", "Egyptian cat"), ("coffee.png", "espresso"), ("rocket.jpg", "missile")],
)
def test_photos_with_obvious_classes(name: str, label: str) -> None:
    spec = importlib.util.find_spec("skimage")  # without the import, which takes a second
    if spec is None or spec.origin is None:
        pytest.skip("scikit-image, which has the photos, is not installed")
    answers = sqznet.classify(Path(spec.origin).with_name("data") / name)
    assert any(label in answer.label for answer in answers[:3]), answers
