"""What compares two builds: its statistics, its verdicts, and the child that both builds run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import compare_builds, paired
from benchmarks.builds import Build, Child, cold_start, working_set
from benchmarks.compare_builds import Amount, Comparison
from benchmarks.material import BUNDLED, ROOT

Pairs = list[tuple[float, float]]


def groups(ratios: list[float], spread: float, pairs: int = 20) -> list[Pairs]:
    """Pairs of processes, each round a ratio of its own."""
    rng = np.random.default_rng(1)
    return [[(1.0, r * rng.normal(1.0, spread)) for _ in range(pairs)] for r in ratios]


def test_a_steady_ratio_is_sure() -> None:
    found = paired.ratio(groups([1.05] * 8, 0.001))
    assert found.median == pytest.approx(1.05, abs=1e-3)
    assert 1.048 < found.low <= found.median <= found.high < 1.052
    assert found.verdict(1.02) == "EXCEEDED"
    assert found.verdict(1.06) == "ok"


def test_processes_that_disagree_leave_it_unclear() -> None:
    """Pairs of one process are no independent samples, however many there are."""
    found = paired.ratio(groups([0.95, 1.09, 0.97, 1.07], 0.001, pairs=500))
    assert found.low < 0.98 < 1.06 < found.high
    assert found.verdict(1.02) == "unclear"


def test_the_interval_is_the_same_each_time() -> None:
    samples = groups([1.0, 1.01], 0.02)
    assert paired.ratio(samples) == paired.ratio(samples)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """The median of 30 single pairs, as cold starts are: 95 % of the intervals hold it."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(100):
        found = paired.ratio([[(1.0, float(r))] for r in rng.lognormal(0.0, 0.05, 30)])
        held += found.low <= 1.0 <= found.high
    assert held >= 88


def test_without_pairs_there_is_no_ratio() -> None:
    with pytest.raises(ValueError, match="no pair"):
        paired.ratio([[]])


def test_amounts() -> None:
    wheel, kernels = Amount("wheel", 100.0, 101.9, "kB", 1.02), Amount("a", 50.0, 50.6, "M", 1.01)
    assert not wheel.exceeded
    assert kernels.exceeded
    lines = compare_builds.amounts_table([wheel, kernels]).splitlines()
    assert lines[2].split() == ["wheel", "100.0", "101.9", "kB", "1.0190", "1.02", "ok"]
    assert lines[3].endswith("EXCEEDED")


@pytest.fixture(scope="module")
def installed() -> Build:
    """What is installed here, as both builds."""
    return Build("here", ROOT / "README.md", Path(sys.executable), None)


def test_a_build_against_itself(installed: Build, tmp_path: Path) -> None:
    comparison = Comparison(installed, replace(installed, name="again"), tmp_path)
    assert all(line.endswith("the same to the last bit") for line in comparison.logits())
    assert [amount.ratio for amount in comparison.sizes()] == [1.0] * 3
    times = comparison.times(compare_builds.CASES, processes=2, rounds=1)
    table, ratios = compare_builds.times_table(times)
    assert len(table.splitlines()) == 2 + len(ratios) == 2 + len(compare_builds.CASES)
    assert all(0.02 < ratio.median < 50 for ratio in ratios)


def test_the_child_says_when_it_fails(installed: Build, tmp_path: Path) -> None:
    child = Child(installed, {"weights": {}, "inputs": str(tmp_path / "absent.npy")})
    with pytest.raises(RuntimeError, match="died"):
        child.ask("logits", variant="1.1", target="")
    child.close()


def test_what_is_measured_of_a_whole_process(installed: Build) -> None:
    assert cold_start(installed, str(ROOT / "examples" / "coffee.jpg")) > 0.01
    assert working_set(installed, str(BUNDLED)) > 1_000_000


@pytest.mark.parametrize(
    "arguments",
    [[], ["HEAD", "--cases", "2.0*"], ["HEAD", "--rounds", "0"], ["a.whl", "--instructions"]],
)
def test_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        compare_builds.main(arguments)
    assert raised.value.code == 2
