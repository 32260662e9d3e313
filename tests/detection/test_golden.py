"""The trained detector against the outputs that its training computed in float64."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.engine.program import Workspace

from ..support.tools import load_tool

Array = Any


@pytest.fixture(scope="module")
def tool() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        from ..support.places import ROOT

        patch.syspath_prepend(ROOT / "tools")
        yield load_tool("make_bundled_detector")


@pytest.fixture(scope="module")
def trained(shared: Path) -> Path:
    folder = shared / "detection"
    if not (folder / "reference.npz").is_file():
        pytest.skip(f"{folder} is absent: the trained weights and their reference outputs")
    return folder


@pytest.fixture(scope="module")
def float32(tool: Any, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights as they were trained."""
    entries = tool.metadata(json.loads((trained / "detector.json").read_text()))
    content = tool.serialize(tool.tensors(trained / "detector.safetensors"), entries, "F32")
    path = tmp_path_factory.mktemp("trained") / "float32.safetensors"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [256, 320])
def test_the_reference_outputs(shared: Path, trained: Path, float32: Path, size: int) -> None:
    detector = sqznet.load_detector(float32, size=size)
    classes = len(detector.labels)
    with np.load(trained / "reference.npz") as reference:
        for row, name in enumerate(reference["files"]):
            photo = detector.decode(shared / "images" / Path(str(name)).name)

            def outputs(workspace: Workspace) -> list[Array]:
                return [np.array(y)[0] for y in workspace.outputs.values()]

            maps = detector.passed([photo], outputs)
            assert [y.shape[:2] for y in maps] == list(map(tuple, reference[f"maps_{size}"]))
            found = np.concatenate([y.reshape(-1, classes + 4) for y in maps])
            logits, sides = (reference[f"{kind}_{size}"][row] for kind in ("class_logits", "sides"))
            assert np.abs(found[:, :classes] - logits).max() <= 1e-4 * np.abs(logits).max()
            assert np.abs(found[:, classes:] - sides).max() <= 1e-4 * np.abs(sides).max()
            height, width = photo.whole
            answers = detector.detect(photo, 0.2)
            expected = reference[f"detections_{size}_{row}"]
            assert [a.index for a in answers] == expected[:, 5].astype(int).tolist()
            for answer, (*corners, score, _) in zip(answers, expected, strict=True):
                assert answer.score == pytest.approx(score, abs=1e-4)
                scale = np.array([width, height, width, height])
                assert np.abs(answer.box[:4] / scale - corners).max() * size <= 0.01


def test_the_bundled_file_agrees_with_the_trained_weights(
    tool: Any, trained: Path, float32: Path
) -> None:
    path = Path(weights.DETECTOR_PATH)
    assert path.stat().st_size <= tool.BYTES
    detector = sqznet.load_detector(float32)
    assert tool.wrong(path, detector, tool.photos(trained, 20, 7)) == []


def test_the_bundled_file_says_where_it_comes_from(tool: Any) -> None:
    checkpoint = weights.read(weights.DETECTOR_PATH)
    provenance = json.loads(checkpoint.metadata["provenance"])
    assert provenance["file_sha256"] == tool.SHA256
    assert "research" in provenance["training_data"]
    assert checkpoint.detector == tool.DESIGN
    assert checkpoint.format == "compressed"
