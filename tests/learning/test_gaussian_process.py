"""The algebra of the classifier, compared with direct computations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.images import decoding
from sqznet.images.pixels import Pixels
from sqznet.learning import features, scoring
from sqznet.learning.examples import Examples, encode, evenly, quota
from sqznet.learning.gaussian_process import NOISE, GaussianProcess, kernel
from sqznet.learning.scoring import Scorer

from ..support.patterns import picture

LENGTH = features.LENGTH


def rows(count: int, seed: int = 0) -> Any:
    made = np.random.default_rng(seed).normal(0, 1, (count, LENGTH)) + 0.8
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def examples(per_class: tuple[int, ...], mirrored: bool = False) -> Examples:
    made = Examples.none(LENGTH)
    for index, count in enumerate(per_class):
        center = rows(1, 100 + index)
        shown = rows(count, index) + 2 * center
        other = rows(count, 50 + index) + 2 * center if mirrored else None
        made = made.with_class(f"class {index}", shown, other)
    return made


@pytest.mark.parametrize("parts", [(9,), (1, 8), (3, 3, 3), (1,) * 9])
def test_growing_equals_starting_over(parts: tuple[int, ...]) -> None:
    codes = encode(rows(9))
    grown, at = GaussianProcess.of(codes[:0]), 0
    for part in parts:
        grown, at = grown.grown(codes[at : at + part]), at + part
    units = codes / np.linalg.norm(codes.astype(np.float64), axis=1, keepdims=True)
    cosines = units @ units.T
    np.testing.assert_allclose(grown.cosines, cosines, atol=1e-12)
    np.testing.assert_allclose(
        grown.inverse @ (kernel(cosines) + NOISE * np.eye(9)), np.eye(9), atol=1e-9
    )
    np.testing.assert_array_equal(grown.inverse, grown.inverse.T)


@pytest.mark.parametrize("count", [1, 20])
def test_predictions_match_a_gaussian_process(count: int) -> None:
    process = GaussianProcess.of(encode(rows(12)))
    asked = rows(count, 7)
    kernels = kernel(process.cosines_to(asked))
    units = process.rows / np.linalg.norm(process.rows, axis=1, keepdims=True)
    squared = ((asked[:, None].astype(np.float64) - units) ** 2).sum(axis=2)
    np.testing.assert_allclose(kernels, np.exp(-2.0 * squared), atol=1e-6)
    variance = 1 + NOISE - np.einsum("mi,ij,mj->m", kernels, process.inverse, kernels)
    np.testing.assert_allclose(process.spread(kernels) ** 2, variance, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2])
def test_leaving_out_equals_learning_without(size: int) -> None:
    codes = encode(rows(10))
    process = GaussianProcess.of(codes)
    targets = np.random.default_rng(3).normal(0, 1, (10, 4))
    groups = np.arange(10).reshape(-1, size)
    predicted, spread = process.left_out(groups, targets, process.inverse @ targets)
    for group, found, deviation in zip(groups, predicted, spread, strict=True):
        kept = np.setdiff1d(np.arange(10), group)
        rest = GaussianProcess.of(codes[kept])
        kernels = kernel(process.cosines[np.ix_(group[:1], kept)])
        np.testing.assert_allclose(found, (kernels @ rest.inverse @ targets[kept])[0], atol=1e-9)
        np.testing.assert_allclose(deviation, rest.spread(kernels)[0], atol=1e-9)


def test_scores_are_calibrated_by_likelihood() -> None:
    """Well separated classes get confident scores, random ones do not."""
    apart = examples((8, 8, 8))
    mixed = Examples(
        apart.labels,
        apart.codes,
        np.random.default_rng(1).permutation(apart.classes),
        apart.images,
        apart.mirrored,
    )
    like = rows(30, 9) + 2 * rows(1, 100)
    like /= np.linalg.norm(like, axis=1, keepdims=True)
    sure, unsure = (
        Scorer(shown, GaussianProcess.of(shown.codes)).ask(like).scores.max(axis=1).mean()
        for shown in (apart, mixed)
    )
    assert unsure < 0.75 < 0.9 < sure


def test_classes_with_fewer_examples_are_still_found() -> None:
    shown = examples((2, 40))
    answers = Scorer(shown, GaussianProcess.of(shown.codes)).ask(rows(20, 0) + 2 * rows(1, 100))
    assert (answers.scores.argmax(axis=1) == 0).mean() > 0.8


@pytest.mark.parametrize("mirrored", [False, True])
def test_few_known_images_are_unknown_and_noise_is(mirrored: bool) -> None:
    shown = examples((30, 30), mirrored)
    scorer = Scorer(shown, GaussianProcess.of(shown.codes))
    like = rows(200, 0) + 2 * rows(1, 100)
    like /= np.linalg.norm(like, axis=1, keepdims=True)
    known, novel = scorer.ask(like), scorer.ask(rows(50, 77))
    assert known.unknown.mean() < 0.15
    assert novel.unknown.all()
    assert (novel.novelty >= 1 - scoring.REJECTED).all()
    assert (novel.novelty < 1).all()


def test_thinning_keeps_small_classes_and_spreads_the_rest() -> None:
    shown = examples((10, 2, 5), mirrored=True)
    thinned = shown.thinned(9)
    assert thinned.counts().tolist() == [3, 2, 3]
    assert thinned.mirrored.sum() == 8
    assert set(thinned.images[thinned.classes == 0].tolist()) == {0, 3, 6}


def test_quota_and_spread() -> None:
    assert quota([5, 5, 5], 15) == 15
    assert quota([100, 1, 100], 21) == 10
    assert quota([100, 100], 1) == 1
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(10, 4).tolist() == [0, 2, 5, 7]
    assert evenly(0, 4).tolist() == []


# --- Features ----------------------------------------------------------------------------------


def test_the_transform_is_walsh_hadamard() -> None:
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < 16:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    values = np.random.default_rng(0).normal(0, 1, (3, 16)).astype(np.float32)
    found = values.copy()
    features._transform(found)
    np.testing.assert_allclose(found, values @ matrix, atol=1e-5)


def test_a_description_does_not_depend_on_brightness() -> None:
    rng = np.random.default_rng(2)
    maps = {name: rng.random((13, 11, 40), np.float32) for name in features.LAYERS}
    description = features.described(maps)
    assert description.shape == (LENGTH,)
    assert np.linalg.norm(description) == pytest.approx(1, abs=1e-5)  # float32, by any BLAS
    brighter = features.described({name: 7 * seen for name, seen in maps.items()})
    np.testing.assert_allclose(brighter, description, atol=1e-6)
    dark = features.described({name: 0 * seen - 1 for name, seen in maps.items()})
    assert not dark.any()


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_mirror_images(channels: int) -> None:
    made = np.random.default_rng(0).integers(0, 256, (40, 50, max(channels, 1)), np.uint8)
    made = made[:, :, 0] if channels == 0 else made
    model = sqznet.load(threads=1)
    mirrored = features.mirror_image(decoding.decode(made))
    np.testing.assert_array_equal(
        model.preprocess(mirrored), model.preprocess(np.ascontiguousarray(made[:, ::-1]))
    )


def test_a_mirror_image_of_bytes() -> None:
    """An older Pillow decodes to bytes."""
    made = picture("arrow left", 1)
    mirrored = features.mirror_image(Pixels(made.tobytes(), *made.shape))
    np.testing.assert_array_equal(mirrored.data, made[:, ::-1])


def test_a_mirror_image_of_a_pillow_image(tmp_path: Any) -> None:
    from PIL import Image

    made = Image.fromarray(picture("arrow left", 1))
    made.save(tmp_path / "arrow.png")
    model = sqznet.load(threads=1)
    expected = model.preprocess(made.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    for source in (made, tmp_path / "arrow.png"):
        found = model.preprocess(features.mirror_image(decoding.decode(source)))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("form", ["bgr", "nv12"])
def test_a_mirror_image_of_a_camera_frame(form: str) -> None:
    made = np.random.default_rng(1).integers(0, 256, (36, 40, 3), np.uint8)
    data = made if form == "bgr" else made.reshape(-1)[: 24 * 40 * 3 // 2].reshape(36, 40)
    frame = sqznet.Frame.wrap(data, form)
    model = sqznet.load(threads=1)
    mirrored = np.ascontiguousarray(frame.to_rgb()[:, ::-1])
    np.testing.assert_array_equal(
        model.preprocess(features.mirror_image(frame)), model.preprocess(mirrored)
    )
