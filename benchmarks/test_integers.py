"""The table of 8-bit integers, from given times."""

from __future__ import annotations

from benchmarks import cases, integers
from benchmarks.results import CaseResult, EngineResult

TIMES = {
    "sqznet": 4.0,
    "sqznet_int8": 2.0,
    "sqznet_qdq": 1.5,  # ours, not a rival
    "openvino_int8": 2.5,
    "onnxruntime_int8": 3.0,
}


def test_rows_compare_with_the_best_rival_and_with_float32() -> None:
    (case,) = cases.select(["1.1-int8-1t"])
    result = CaseResult(case, [EngineResult(name, [ms]) for name, ms in TIMES.items()])
    assert integers.rows([result], "avx512_vnni", 0.984)[1:] == [
        ("1.1: int8 / openvino_int8", "0.800", "0.60", "missed"),
        ("1.1: int8 / float32", "0.500", "0.50", "met"),
        ("1.1: QDQ file, ours / onnxruntime", "0.500", "0.75", "met"),
        ("1.1: working set, MB", "0.984", "1.20", "met"),
    ]


def test_rows_of_what_was_not_timed() -> None:
    (case,) = cases.select(["1.0-int8-1t"])
    result = CaseResult(case, [EngineResult("sqznet_int8", [2.0])])
    assert integers.rows([result], "avx2", 1.5)[1:] == [
        ("1.0: int8 / best int8 rival", "-", "0.75", "not measured"),
        ("1.0: QDQ file, ours / onnxruntime", "-", "0.75", "not measured"),
        ("1.1: working set, MB", "1.500", "1.20", "missed"),
    ]
