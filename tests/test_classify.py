"""`classify` and `preprocess` from the user's view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.images.preprocessing import PRESETS
from sqznet.network import reference

from .support import networks
from .support.isolated import run_script


@pytest.fixture(scope="module")
def model(small: Path) -> sqznet.Model:
    return sqznet.load(small, threads=2)


@pytest.fixture(scope="module")
def bundled() -> sqznet.Model:
    return sqznet.load(threads=2)


def test_predictions(bundled: sqznet.Model) -> None:
    image = networks.photo()
    predictions = bundled.classify(image, top=1000)
    logits = bundled.logits(bundled.preprocess(image))[0]
    scores = reference.softmax(logits)
    order = sorted(range(1000), key=lambda i: (-logits[i], i))
    assert [p.index for p in predictions[:50]] == order[:50]
    assert [p.label for p in predictions[:50]] == [bundled.labels[i] for i in order[:50]]
    found = [p.score for p in predictions]
    np.testing.assert_allclose(found, scores[[p.index for p in predictions]], rtol=1e-4, atol=1e-30)
    assert found == sorted(found, reverse=True)
    assert 0.9999 < sum(found) < 1.0001
    assert 0 < sum(found[:5]) <= 1 + 1e-6


def test_a_prediction_is_a_named_tuple(bundled: sqznet.Model) -> None:
    prediction = bundled.classify(networks.photo())[0]
    assert isinstance(prediction, sqznet.Prediction)
    assert isinstance(prediction, tuple)
    label, score, index = prediction
    assert prediction._fields == ("label", "score", "index")
    assert (prediction.label, prediction.score, prediction.index) == (label, score, index)
    assert [type(part) for part in prediction] == [str, float, int]


@pytest.mark.parametrize(("top", "count"), [(1, 1), (5, 5), (7, 7), (8, 7), (10**9, 7)])
def test_top(model: sqznet.Model, top: int, count: int) -> None:
    assert len(model.classify(networks.photo(), top=top)) == count
    assert len(model.classify(networks.photo(), top=np.int64(min(top, 2**40)))) == count


@pytest.mark.parametrize("top", [0, -1, True, False, 1.0, "5", None, [5], np.array([1, 2])])
def test_invalid_top(model: sqznet.Model, top: Any) -> None:
    with pytest.raises(sqznet.SqznetError, match="top"):
        model.classify(networks.photo(), top=top)


@pytest.mark.parametrize("top", [2**31, 2**31 - 1, 2**63, 10**30])
def test_a_huge_top_gives_every_class(model: sqznet.Model, top: int) -> None:
    assert len(model.classify(networks.photo(), top=top)) == 7


def test_lists_give_lists(model: sqznet.Model) -> None:
    images = [networks.photo(i, 60 + 6 * i, 80) for i in range(5)]
    alone = [model.classify(image, top=3) for image in images]
    assert model.classify(images, top=3) == alone
    assert model.classify(tuple(images), top=3) == alone
    assert model.classify([images[0]], top=3) == alone[:1]
    assert model.classify([]) == []


def test_one_bad_image_gives_no_partial_answer(model: sqznet.Model) -> None:
    good = networks.photo()
    for bad in (b"", b"text", "no-such.jpg", None, 5, np.zeros((0, 4, 3), np.uint8), good / 255):
        with pytest.raises(sqznet.ImageError):
            model.classify(bad)
        with pytest.raises(sqznet.ImageError):
            model.classify([good, good, good, bad])
        with pytest.raises(sqznet.ImageError):
            model.preprocess(bad)


def test_preprocess_gives_the_input_of_the_network(model: sqznet.Model) -> None:
    image = networks.photo()
    x = model.preprocess(image)
    assert (x.shape, x.dtype, x.flags.c_contiguous) == ((1, 3, 96, 96), np.float32, True)
    best = model.classify(image, top=7)
    logits = model.logits(x)[0]
    assert [p.index for p in best] == sorted(range(7), key=lambda i: (-logits[i], i))


def test_flat_colors_are_normalized_as_stated(small: Path) -> None:
    """(v - mean) / std in the network's channel order, for every preset."""
    rgb = (200, 100, 50)
    image = np.tile(np.array(rgb, np.uint8), (300, 300, 1))
    for name, preset in PRESETS.items():
        loaded = sqznet.load(small, preprocessing=name)
        color = rgb if preset.channel_order == "rgb" else rgb[::-1]
        expected = (np.array(color) - preset.mean) / preset.std
        x = loaded.preprocess(image)
        np.testing.assert_allclose(x.min(axis=(0, 2, 3)), expected, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(x.max(axis=(0, 2, 3)), expected, rtol=1e-5, atol=1e-4)


def test_module_level_classify(bundled: sqznet.Model) -> None:
    image = networks.photo()
    found = sqznet.classify(image, top=3)
    assert [p.index for p in found] == [p.index for p in bundled.classify(image, top=3)]
    assert sqznet.classify([image], 3) == [found]
    with pytest.raises(sqznet.ImageError):
        sqznet.classify(b"")


def test_first_use_by_many_threads_loads_one_model(coarse: Path) -> None:
    run_script(
        """
        import threading
        import sqznet, sqznet.weights

        loads = []
        original = sqznet.weights.read
        sqznet.weights.read = lambda *a, **k: loads.append(1) or original(*a, **k)
        image = memoryview(bytes(range(256)) * 48).cast("B", (64, 64, 3))
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(sqznet.classify(image)))
            for _ in range(8)
        ]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(loads) == 1, loads
        assert len(results) == 8
        assert all(result == results[0] for result in results)
        """,
        weights=coarse,  # fewer pixels
    )
