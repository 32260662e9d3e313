"""The callable classes of Ray Data on batches as it passes them; Ray itself is not needed."""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet.ray import Classifier, Detector, Embedder, per_core

from ..support import detectors
from ..support.commands import Run
from ..support.places import CHELSEA, COFFEE


def column(*values: Any) -> Any:
    made = np.empty(len(values), object)
    made[:] = values
    return made


@pytest.fixture
def batch() -> dict[str, Any]:
    """Two photos, and one that is none between them, as `read_binary_files` gives them."""
    return {
        "bytes": column(COFFEE.read_bytes(), b"no photo", CHELSEA.read_bytes()),
        "path": np.array(["a", "b", "c"]),
    }


def test_a_classifier_adds_columns_and_an_error(small: Path, batch: dict[str, Any]) -> None:
    found = Classifier(small, top=2)(batch)
    ranks = [f"{name}_{rank}" for rank in (1, 2) for name in ("label", "score", "index")]
    assert list(found) == ["path", *ranks, "error"]
    assert found["path"].tolist() == ["a", "b", "c"]
    model = sqznet.load(small)
    for row, photo in ((0, COFFEE), (2, CHELSEA)):
        for rank, expected in enumerate(model.classify(photo, top=2), 1):
            assert found[f"label_{rank}"][row] == expected.label
            assert found[f"score_{rank}"][row] == pytest.approx(expected.score)
            assert found[f"index_{rank}"][row] == expected.index
    assert (found["error"] != "").tolist() == [False, True, False]
    assert "no image format" in found["error"][1]
    assert found["label_1"][1] == ""
    assert np.isnan(found["score_1"][1])
    assert found["index_1"][1] == -1


def test_columns_have_their_types_in_every_batch(small: Path) -> None:
    """Else the files of a folder would have several schemas."""
    good, bad = column(COFFEE.read_bytes()), column(None)
    for make in (
        lambda: Classifier(small, top=1),
        lambda: Embedder(small),
        lambda: Detector(threshold=0.9),
    ):
        worker = make()
        kinds = [
            {name: values.dtype.kind for name, values in worker({"bytes": photos}).items()}
            for photos in (good, bad, column())
        ]
        assert kinds[0] == kinds[1] == kinds[2]
        assert "O" not in kinds[0].values()


def test_images_and_paths_give_the_same_as_files(small: Path, tmp_path: Path) -> None:
    worker = Classifier(small, top=1)
    with Image.open(COFFEE) as photo:
        pixels = np.asarray(photo.convert("RGB"))
    expected = worker({"bytes": column(COFFEE.read_bytes())})
    gone = tmp_path / "gone.jpg"
    odd = shutil.copy(COFFEE, tmp_path / "100 %20 #1.jpg")
    for given in (
        {"image": np.stack([pixels, pixels])},
        {"path": np.array([str(COFFEE), str(gone)])},
        {"path": column(COFFEE.as_uri(), Path(odd).as_uri())},
    ):
        found = worker(given)
        assert found["label_1"][0] == expected["label_1"][0]
        assert found["score_1"][0] == expected["score_1"][0]
    assert found["error"].tolist() == ["", ""]
    assert worker({"path": np.array([str(gone)])})["error"][0].endswith("gone.jpg: no such file")


def test_an_embedder_gives_vectors(small: Path, batch: dict[str, Any]) -> None:
    found = Embedder(small, normalize=True)(batch)
    assert list(found) == ["path", "vector", "error"]
    assert np.isnan(found["vector"][1]).all()
    expected = sqznet.load(small).embed([COFFEE, CHELSEA], normalize=True)
    assert np.array_equal(found["vector"][[0, 2]], expected)
    assert found["vector"].dtype == np.float32


def test_a_detector_gives_a_row_for_each_thing(tmp_path: Path, batch: dict[str, Any]) -> None:
    detector = sqznet.load_detector(detectors.save(tmp_path / "detector.safetensors"))
    expected = [detector.detect(photo, threshold=0.01, top=3) for photo in (COFFEE, CHELSEA)]
    found = Detector(detector, threshold=0.01, top=3)(batch)
    assert found["path"].tolist() == ["a"] * max(1, len(expected[0])) + ["b"] + ["c"] * max(
        1, len(expected[1])
    )
    things = [thing for one in expected for thing in one]
    assert things
    rows = found["rank"] > 0
    assert found["label"][rows].tolist() == [thing.label for thing in things]
    boxes = np.stack([found[name][rows] for name in ("x0", "y0", "x1", "y1")], axis=1)
    assert boxes == pytest.approx(np.array([thing.box[:4] for thing in things]), abs=1e-3)
    assert found["error"][found["path"] == "b"][0] != ""
    assert (found["error"][rows] == "").all()


def test_workers_compute_on_one_thread_and_are_sent_to_others(small: Path) -> None:
    model = sqznet.load(small, threads=2)
    assert pickle.loads(pickle.dumps(Classifier))(model, top=1)({"bytes": column(b"")})


@pytest.mark.parametrize("kind", [Classifier, Embedder, Detector])
def test_a_batch_without_photos_is_an_error(kind: Any) -> None:
    with pytest.raises(sqznet.SqznetError, match="columns item, id, expected bytes, image, path"):
        kind()({"item": column(1), "id": column(2)})


def test_bad_options_are_errors(small: Path) -> None:
    with pytest.raises(sqznet.SqznetError, match="top must be"):
        Classifier(small, top=0)
    with pytest.raises(sqznet.SqznetError, match="threshold"):
        Detector(threshold=2)
    with pytest.raises(sqznet.WeightsError, match="is a detector"):
        Classifier(sqznet.weights.DETECTOR_PATH)


def test_without_ray_there_is_a_hint(
    monkeypatch: pytest.MonkeyPatch, run: Run, small: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.setitem(sys.modules, "ray", None)
    hint = "a Ray cluster needs ray: pip install ray pandas pyarrow fsspec"
    with pytest.raises(sqznet.SqznetError, match=hint):
        per_core()
    out = tmp_path / "answers"
    found = run("classify", COFFEE, "--model", small, "--ray", "local", "-o", out)
    assert (found.code, found.err) == (1, f"sqznet: {hint}\n")
    assert not out.exists()
