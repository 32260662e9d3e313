"""`sqznet classify --ray` and `map_batches` on a Ray cluster of two nodes on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import sqznet

from ..support.commands import Run
from ..support.places import CHELSEA, COFFEE

ray = pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # those of Ray

#: So that the loss of a node is noticed at once.
WATCHFUL = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 200,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": WATCHFUL}
    made = Cluster(True, head_node_args=head)
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Many photos, some of which are none."""
    made = tmp_path / "photos"
    made.mkdir()
    for i in range(300):
        (made / f"{i}.jpg").symlink_to(CHELSEA if i % 3 else COFFEE)
    for i in range(0, 300, 50):
        (made / f"{i}.jpg").unlink()
        (made / f"{i}.jpg").write_bytes(b"no photo")
    return made


def rows(folder: Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    found: list[dict[str, Any]] = parquet.read_table(folder).to_pylist()
    return found


def started(photos: Path, out: Path, address: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sqznet", "classify", photos, "-o", out, "--ray", address]
    pipe = subprocess.PIPE
    place = out.parent
    return subprocess.Popen([*command, "--top", "1", *more], stderr=pipe, text=True, cwd=place)


def wait_for_parts(out: Path, count: int, program: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while len(list(out.glob("part-*"))) < count:
        assert time.monotonic() < end
        assert program.poll() is None
        time.sleep(0.02)


def wait_for_work(node: Any) -> None:
    """Waits until a worker of a node, which is a child of its raylet, runs a task."""
    raylet = node.all_processes["raylet"][0].process.pid
    end = time.monotonic() + 60
    while not any(b"ray::_write" in title for title in titles_of_children(raylet)):
        assert time.monotonic() < end


def titles_of_children(process: int) -> Iterator[bytes]:
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process:
                yield (place / "cmdline").read_bytes()


def check_whole(out: Path, photos: Path) -> None:
    """No photo is lost or doubled, and each has its answer or its error."""
    found = rows(out)
    assert Counter(row["path"] for row in found) == Counter(map(str, photos.iterdir()))
    expected = {
        path.stat().st_size: sqznet.classify(path, 1)[0].label for path in (COFFEE, CHELSEA)
    }
    for row in found:
        assert row["label"] == expected.get(Path(row["path"]).stat().st_size), row
        assert (row["error"] is None) == (row["label"] is not None)


def test_a_node_that_is_lost_costs_no_photo(cluster: Any, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers"
    node = cluster.add_node(num_cpus=1)
    with started(photos, out, cluster.address, "--partition", "20") as program:
        wait_for_parts(out, 1, program)
        wait_for_work(node)
        cluster.remove_node(node, allow_graceful=False)
        _, err = program.communicate(timeout=120)
    assert program.returncode == 1  # for the photos that are none
    assert "begins again: its node or its worker is lost" in err
    assert "photos that could not be read: 6; the column 'error' says why" in err
    check_whole(out, photos)


def test_a_run_that_is_stopped_goes_on(
    cluster: Any, photos: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "answers"
    with started(photos, out, cluster.address, "--partition", "25") as program:
        wait_for_parts(out, 2, program)
        program.terminate()
        _, err = program.communicate(timeout=60)
    assert program.returncode == 143
    assert "12 files are complete; --resume continues" in err
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert len(before) < 12
    (photos / "new.jpg").symlink_to(COFFEE)
    with started(photos, out, cluster.address, "--resume") as program:
        program.communicate(timeout=120)
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    check_whole(out, photos)
    again = run("classify", photos, "--ray", cluster.address, "-o", out)
    assert again.code == 1
    assert again.err.endswith("holds results: --resume continues them, or name another folder\n")


def test_ray_data_calls_the_classes(
    cluster: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray.data

    from sqznet.ray import Classifier, per_core

    with pytest.raises(sqznet.SqznetError, match=r"not connected to a Ray cluster: call ray\.init"):
        per_core()
    monkeypatch.chdir(tmp_path)  # where workers look for modules first
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        files = [str(photos / f"{i}.jpg") for i in range(40)]
        found = ray.data.read_binary_files(files, include_paths=True).map_batches(
            Classifier, **per_core(top=1)
        )
        found.write_parquet(str(tmp_path / "answers"))
    finally:
        ray.shutdown()
    answers = rows(tmp_path / "answers")
    assert Counter(row["path"] for row in answers) == Counter(files)
    expected = sqznet.classify(COFFEE, 1)[0]
    (answer,) = (row for row in answers if row["path"] == files[3])
    assert (answer["label_1"], answer["error"]) == (expected.label, "")
    assert answer["score_1"] == pytest.approx(expected.score)
    assert [row["path"] for row in answers if row["error"]] == files[:1]


def test_a_node_out_of_memory_is_one_error(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").symlink_to(COFFEE)
    full = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "20"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in full.items():
            patch.setenv(name, value)
        with started(photos, tmp_path / "answers", "local") as program:
            _, err = program.communicate(timeout=120)
    assert program.returncode == 1
    assert "given up after 5 tries: a node is out of memory: start Ray there with fewer" in err
    assert "0 of 1 files are complete; --resume continues" in err


def test_no_cluster_is_one_error(run: Run, tmp_path: Path, small: Path) -> None:
    command = ["classify", COFFEE, "--model", small, "-o", tmp_path / "answers", "--ray"]
    for address, said in (
        ("127.0.0.1:9", "Connection refused; 'ray start --head' starts one, and says its address"),
        ("nonsense", "no Ray cluster at nonsense: "),
    ):
        found = run(*command, address)
        assert found.code == 1
        assert said in found.err
        assert found.err.count("\n") == 1
    assert not os.path.exists(tmp_path / "answers")
