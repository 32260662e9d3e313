"""The cost of many photos: its arithmetic, and the model of a large cluster."""

from __future__ import annotations

import pytest

from benchmarks import scale
from benchmarks.cluster_model import Assumed, simulate

EVEN = Assumed(cores=10, node=2, photo=0.01, photo_spread=0, core_spread=0, begin=0, losses=0)


def test_even_photos_take_what_they_must() -> None:
    found = simulate(10_000, 100, EVEN)
    assert found.seconds == pytest.approx(10.0)
    assert found.busy == pytest.approx(1.0)
    assert (found.lost, found.again) == (0, 0)


def test_the_last_partitions_keep_cores_waiting() -> None:
    assert simulate(11_000, 1000, EVEN).seconds == pytest.approx(20.0)
    assert simulate(11_000, 100, EVEN).seconds == pytest.approx(11.0)
    assert simulate(50, 100, EVEN).seconds == pytest.approx(0.5)


def test_beginning_costs_time() -> None:
    assert simulate(10_000, 100, EVEN._replace(begin=0.1)).seconds == pytest.approx(11.0)


def test_uneven_photos_have_the_same_mean() -> None:
    many = EVEN._replace(photo_spread=0.6, core_spread=0.05)
    found = simulate(1_000_000, 1000, many, seed=3)
    assert 0.9 < found.busy < 1.05
    assert found == simulate(1_000_000, 1000, many, seed=3) != simulate(1_000_000, 1000, many)


def test_lost_nodes_cost_what_they_had_under_way() -> None:
    lossy = EVEN._replace(losses=20.0, replaced=30.0)
    found = simulate(1_000_000, 1000, lossy)
    assert found.lost > 5
    assert found.lost <= found.again <= 2 * found.lost
    assert found.seconds > simulate(1_000_000, 1000, EVEN).seconds


def test_a_cluster_that_loses_every_node_comes_back() -> None:
    alone = Assumed(cores=2, node=2, photo=1.0, photo_spread=0, core_spread=0, losses=60.0)
    found = simulate(200, 10, alone)
    assert found.lost > 0
    assert found.seconds > 100


def test_a_billion_photos_cost_what_their_core_hours_cost() -> None:
    text = " ".join(scale.cost(100.0, 0.05))
    assert "100 photos a second: 360,000 in an hour" in text
    assert "2,778 core-hours, which cost 139 dollars" in text


def test_the_block_says_how_the_command_compares() -> None:
    measured = scale.Measured(1000, 2, files=5.0, command=7.0, start=2.0, batches=10.0)
    assert measured.rate == 100
    text = " ".join(scale.said(measured))
    assert "0.71 of the rate of classify_files on these photos, goal 0.9; 1.00 without" in text
    assert "without its start. map_batches has 0.50" in text
    assert "| `classify_files`, one process | 5.0 | 200 |" in text


def test_photos_are_repeated() -> None:
    with scale.repeated(600) as folder:
        paths = list(folder.iterdir())
        assert len(paths) == 600
        assert all(path.is_file() for path in paths)
