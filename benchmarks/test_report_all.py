"""The files written after a run: the README block, the record, the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plots, report_all
from benchmarks.cases import CASES
from benchmarks.results import CaseResult, EngineResult

FACTS = {"cpu": "A processor", "cores": "2 usable of 2"}
LAYERS: dict[str, Any] = {
    "isa": "scalar",
    "photo": "photo.jpg",
    "rounds": 1,
    "peak_gmacs": 50.0,
    "others_cores": None,
    "networks": {
        "1.0": {"skipped": "absent"},
        "1.1": {
            "median_ms": 2.0,
            "min_ms": 1.0,
            "layers": [
                {"name": "conv1", "median_ms": 1.5, "min_ms": 1.0, "macs": 10**8, "density": 1.0},
                {"name": "maxpool1", "median_ms": 0.5, "min_ms": 0.5, "macs": 0, "density": 0.5},
            ],
        },
    },
}
POINTS = [{"size": size, "ms": {"1": 2.0 * size, "2": 1.0 * size}} for size in (1, 16, 64)]
SCALING: dict[str, Any] = {
    "pixels": POINTS,
    "batch": POINTS,
    "exchange_ns": [40, 180],
    "callers": {"images_a_second": {"1 caller": 100.0}, "of_best": 1.0},
    "zeros": {
        "variant": "1.1",
        "least_density": 1.0,
        "skipping_ms": 2.0,
        "dense_ms": 1.0,
        "ratio": 2.0,
        "layers": {"conv10": {"skipping_ms": 2.0, "dense_ms": 1.0}},
        "by_density": [{"density": 1.0, "ratio": 2.0}],
    },
    "workspace_bytes": 1,
    "others_cores": None,
}


def record() -> dict[str, Any]:
    engines = [EngineResult("sqznet", [1.0, 2.0, 3.0]), EngineResult("ncnn", [4.0])]
    engines.append(EngineResult("torch", skipped="not installed"))
    cases = [CaseResult(case, engines, others=0.5).to_dict() for case in CASES]
    return {"machine": FACTS, "rounds": 3, "cases": cases, "layers": LAYERS, "scaling": SCALING}


def test_filling_changes_only_what_is_between_the_markers() -> None:
    before, after = "a\r\n b | \n" + report_all.BEGIN, report_all.END + " tail\n\n"
    assert report_all.fill(f"{before}\nold\n{after}", "\nnew\n") == f"{before}\nnew\n{after}"


@pytest.mark.parametrize("text", ["", report_all.BEGIN, report_all.END + report_all.BEGIN])
def test_filling_needs_both_markers_in_order(text: str) -> None:
    with pytest.raises(ValueError, match="speed:begin"):
        report_all.fill(text, "new")


def test_a_result_survives_json() -> None:
    for case in record()["cases"]:
        assert CaseResult.from_dict(json.loads(json.dumps(case))).to_dict() == case


def test_compact_json_is_the_same_json() -> None:
    assert json.loads(report_all.compact_json(record())) == record()


def test_writing_is_deterministic(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        readme = folder / "README.md"
        readme.write_text(f"head\n{report_all.BEGIN}\n{report_all.END}\ntail\n")
        paths = report_all.write(record(), folder, readme)
        written.append({path.name: path.read_bytes() for path in paths})
    assert written[0] == written[1]
    assert {f"{case}.svg" for case in ("latency", "layers", "scaling")} < set(written[0])
    readme_text = written[0]["README.md"].decode()
    assert "2.00 | 4.00 (ncnn) | **0.50**" in readme_text
    assert "A processor" in readme_text
    assert plots.LATENCY_CASES[0] in {case.name for case in CASES}
