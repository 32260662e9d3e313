"""`sqznet bench` and its measurements: they are consistent; their size is not tested."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.diagnostics import measuring
from sqznet.images import synthetic

from ..support import networks
from ..support.commands import exit_code
from ..support.isolated import run_script
from ..support.places import COFFEE


def small_model(tmp_path: Path, bypass: str = "", **options: Any) -> sqznet.Model:
    path = networks.save(tmp_path / "small.safetensors", networks.tensors(bypass=bypass))
    return sqznet.load(path, **options)


def test_percentiles_are_measured_times() -> None:
    times = measuring.Latency.of([i / 1e3 for i in range(100, 0, -1)])
    assert times == measuring.Latency(100, 1.0, 50.0, 90.0, 99.0)
    assert measuring.Latency.of([0.5]) == measuring.Latency(1, 500.0, 500.0, 500.0, 500.0)


def test_the_figures_are_consistent(tmp_path: Path) -> None:
    model = small_model(tmp_path, threads=2, isa="scalar")
    found = measuring.measure(model, seconds=0.3)
    assert (found.isa, found.threads, found.size) == ("scalar", 2, (224, 224))
    for times in (found.forward, found.file_to_answer):
        assert times.runs >= 5
        assert 0 < times.min_ms <= times.p50_ms <= times.p90_ms <= times.p99_ms
    assert list(found.layers_ms) == [
        *("conv1", "maxpool1", "fire2", "fire3", "maxpool3", "fire4", "fire5", "maxpool5"),
        *("fire6", "fire7", "fire8", "fire9", "conv10"),
    ]
    assert all(value > 0 for value in found.layers_ms.values())
    assert sum(found.layers_ms.values()) < 2 * found.forward.p90_ms
    assert len(found.interval_rates) == measuring.INTERVALS
    assert min(found.interval_rates) <= found.images_per_second <= max(found.interval_rates)
    tensors = networks.tensors()
    assert found.weights_bytes == sum(array.nbytes for array in tensors.values())
    assert found.workspace_bytes > 4 * 3 * 224 * 224
    if found.peak_memory_bytes is not None:
        assert 10e6 < found.peak_memory_bytes < 10e9


def test_the_time_of_a_bypass_belongs_to_its_fire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kernel takes one tick of a fake clock."""
    model = small_model(tmp_path, "complex", threads=1)
    workspace = model.executor.acquire(1, *model.preprocessing.size)
    clock = 0.0

    def tick() -> None:
        nonlocal clock
        clock += 1

    workspace.steps = [tick for _ in workspace.steps]
    model.executor.release(workspace)
    monkeypatch.setattr(measuring, "perf_counter", lambda: clock)
    passes, _ = measuring._passes(model, str(COFFEE), 0.0)
    names = measuring.layer_names(model.executor.network)
    ticks = dict(zip(names, passes[0], strict=True))
    several = {"fire3": 2, "fire5": 2, "fire7": 2, "fire9": 2}  # the fire module and the sum
    several |= {"fire2": 3, "fire4": 3, "fire6": 3, "fire8": 3}  # and a convolution
    assert ticks == {name: several.get(name, 1) for name in names}


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_times_are_refused(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(sqznet.SqznetError, match=r"seconds is .*, expected 0\.1 or more"):
        measuring.measure(small_model(tmp_path), seconds)


def test_measuring_imports_no_numpy(small: Path) -> None:
    """Otherwise the peak memory would differ from that of classifying."""
    run_script(
        """
        import sys, sqznet
        from sqznet.diagnostics.measuring import measure
        measure(sqznet.load(sys.argv[1]), 0.1)
        assert "numpy" not in sys.modules
        """,
        str(small),
    )


def test_the_generated_photo_is_like_a_real_one() -> None:
    """The kernels skip zeros, so their time depends on how many there are."""
    assert synthetic.jpeg(48, 64) == synthetic.jpeg(48, 64)
    model = sqznet.load()
    made, real = model.feature_maps([synthetic.photo(480, 640), COFFEE], ("conv1", "fire5"))
    for layer in ("conv1", "fire5"):
        shares = [float(np.mean(maps[layer] > 0)) for maps in (made, real)]
        assert shares[0] == pytest.approx(shares[1], abs=0.1)


def test_the_table(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--seconds", "0.2", "--threads", "1", "--isa", "scalar", "--photo", COFFEE)
    assert exit_code("bench", *options, "--model", small) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "squeezenet1_1, float32, scalar kernels, 1 thread\n" in out
    assert str(COFFEE) in out
    for name in ("network, 96 x 96", "file to answer"):
        assert re.search(rf"^{name}( +\d+\.\d\d){{4}} +\d+$", out, re.MULTILINE), out
    assert len(re.findall(r"^(conv|fire|maxpool)\d+ +\d+\.\d{3}  #*$", out, re.MULTILINE)) == 13
    assert len(re.findall(r"^from \d\.?\d* s +\d+\.\d  #+$", out, re.MULTILINE)) == 10
    assert re.search(r"^images per second: \d+\.\d, over 0\.2 s$", out, re.MULTILINE)


def test_json_holds_the_same(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        exit_code("bench", "--seconds", "0.1", "--json", "--model", small, "--photo", COFFEE) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert set(found) == set(measuring.Measurement.__dataclass_fields__)
    assert set(found["forward"]) == {"runs", "min_ms", "p50_ms", "p90_ms", "p99_ms"}
    assert found["weights_bytes"] == sum(a.nbytes for a in networks.tensors().values())


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--seconds", "0"), 2, "expected a number of at least 0.1, got '0'"),
        (("--seconds", "soon"), 2, "expected a number of at least 0.1, got 'soon'"),
        (("--isa", "mmx"), 2, "mmx"),
        (("--model", "absent.pth"), 1, "absent.pth"),
        (("--seconds", "0.1", "--photo", "absent.jpg"), 1, "absent.jpg"),
    ],
    ids=str,
)
def test_errors_are_one_line(
    arguments: tuple[str, ...], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("bench", *arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("sqznet: ")
    assert reason in err
