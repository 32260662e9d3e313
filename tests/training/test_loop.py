"""The loop with a task of a few numbers: it learns, resumes exactly, and survives what happens."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sqznet import SqznetError

torch = pytest.importorskip("torch", reason="training needs torch")

SEED = 5


class Line:
    """Fits a line to points; ``before``: called before each batch with its epoch and number."""

    steps = 4

    def __init__(self, before: Callable[[int, int], None] = lambda epoch, step: None) -> None:
        from sqznet.training.loop import Group

        torch.manual_seed(1)
        self.module = torch.nn.Linear(3, 1)
        self.groups = [Group(list(self.module.parameters()), 0.1, 0.001)]
        self.before = before
        self.poison = 1.0
        self.best = False  # whether validation always finds the same

    def batches(self, epoch: int) -> Iterator[Any]:
        from sqznet.training import seeding

        generator = seeding.generator(SEED, epoch)
        for step in range(self.steps):
            self.before(epoch, step)
            x = torch.randn(16, 3, generator=generator)
            yield x, x.sum(1, keepdim=True) - 2

    def loss(self, batch: Any) -> Any:
        x, y = batch
        return (self.module(x) - y).square().mean() * self.poison

    def validate(self, module: Any) -> Any:
        from sqznet.training.loop import Measures

        x = torch.eye(3)
        loss = (module(x) - x.sum(1, keepdim=True) + 2).square().mean().item()
        return Measures(0.0 if self.best else -loss, {"validation_loss": loss})


def fit(task: Any, epochs: int | None = 6, **options: Any) -> Any:
    from sqznet.training import loop
    from sqznet.training.schedule import Limits

    return loop.fit(task, Limits(epochs, options.pop("seconds", None)), **options)


def weights(task: Any) -> list[Any]:
    return [value.tolist() for value in task.module.state_dict().values()]


class Lines:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[float, float | None]] = []
        self.records: list[Mapping[str, float]] = []

    def step(self, progress: float, left: float | None) -> None:
        self.steps.append((progress, left))

    def epoch(self, record: Mapping[str, float]) -> None:
        self.records.append(record)

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_the_loss_falls_and_the_best_weights_are_kept() -> None:
    task, heard = Line(), Lines()
    found = fit(task, 30, listener=heard)
    losses = [record["loss"] for record in found.history]
    assert losses[-1] < 0.05 * losses[0]
    assert found.history == heard.records
    assert [record["epoch"] for record in found.history] == list(range(1, 31))
    scores = [record["score"] for record in found.history]
    assert found.best.score == max(scores)
    assert found.best_epoch == 1 + scores.index(max(scores))
    with torch.no_grad():
        again = task.validate(task.module)
    assert again.score == pytest.approx(found.best.score, abs=0.02)  # maybe of half the bits
    assert found.stopped == "epochs"
    assert found.interrupt is None
    assert [progress for progress, _ in heard.steps] == pytest.approx(
        [i / 120 for i in range(1, 121)]
    )
    assert all(left is not None and left >= 0 for _, left in heard.steps)
    assert heard.lines == []


def test_weights_that_begin_best_are_kept() -> None:
    task = Line()
    before = weights(task)
    task.best = True
    found = fit(task, 2)
    assert found.best_epoch == 0
    assert weights(task) == before


@pytest.mark.parametrize("stop", [(3, 2), (1, 0), (5, 3)])
def test_a_run_that_was_interrupted_ends_as_an_unbroken_one(
    tmp_path: Path, stop: tuple[int, int]
) -> None:
    whole = Line()
    expected = fit(whole)

    def interrupt(epoch: int, step: int) -> None:
        if (epoch, step) == stop:
            raise KeyboardInterrupt

    path = str(tmp_path / "checkpoint")
    first = Line(interrupt)
    stopped = fit(first, path=path, key="k")
    assert stopped.stopped == "interrupt"
    assert isinstance(stopped.interrupt, KeyboardInterrupt)
    assert len(stopped.history) == stop[0]
    assert stopped.best.score == max(row["score"] for row in stopped.history)
    second = Line()
    torch.nn.init.zeros_(second.module.weight)
    found = fit(second, path=path, key="k", resume=True)
    assert weights(second) == weights(whole)
    assert found.best == expected.best
    timeless = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in run.history]
        for run in (found, expected)
    ]
    assert timeless[0] == timeless[1]


def test_resuming_a_run_that_is_complete_changes_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint")
    task, again = Line(), Line()
    expected = fit(task, path=path)
    found = fit(again, path=path, resume=True)
    assert weights(again) == weights(task)
    assert found.history == expected.history


def test_numbers_that_go_bad_lead_back_to_the_last_good_state(tmp_path: Path) -> None:
    task = Line()

    def poison(epoch: int, step: int) -> None:
        poisoned.append((epoch, step))
        task.poison = (
            float("nan") if poisoned.count((2, 1)) <= 2 and step == 1 and epoch == 2 else 1.0
        )

    poisoned: list[tuple[int, int]] = []
    task.before = poison
    heard = Lines()
    found = fit(task, listener=heard)
    assert len(found.history) == 6
    assert [line for line in heard.lines if "NaN in epoch 3: going back" in line] == heard.lines
    assert len(heard.lines) == 1  # though it happened twice
    plain = fit(Line()).history
    assert found.history[1]["loss"] == plain[1]["loss"]
    assert found.history[2]["rate"] == pytest.approx(plain[2]["rate"] / 4)
    assert torch.isfinite(torch.tensor(weights(task)[0])).all()


def test_numbers_that_stay_bad_end_the_run() -> None:
    task = Line()
    task.poison = float("inf")
    with pytest.raises(SqznetError, match=r"infinite or NaN 7 times.*damaged weights or labels"):
        fit(task)


def test_a_full_disk_does_not_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqznet.training import checkpoint

    def write(path: str, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "write_file", write)
    heard = Lines()
    found = fit(Line(), path=str(tmp_path / "checkpoint"), listener=heard)
    assert len(found.history) == 6
    (line,) = heard.lines
    assert "checkpoint: cannot be written: No space left on device; training goes on" in line


def test_a_time_limit_ends_a_run() -> None:
    class Rising(Line):  # never out of patience
        count = 0

        def validate(self, module: Any) -> Any:
            from sqznet.training.loop import Measures

            self.count += 1
            return Measures(float(self.count), {})

    found = fit(Rising(), None, seconds=0.3)
    assert found.stopped == "time"
    assert 0.2 < found.history[-1]["seconds"] < 20
    assert found.history[-1]["progress"] > 0.8


def test_a_run_without_gains_ends_early() -> None:
    task = Line()
    task.best = True
    found = fit(task, 100)
    assert found.stopped == "patience"
    assert len(found.history) == 41


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no run to resume"),
        (b"", "damaged, or not the state of a run"),
        (b"garbage" * 100, "damaged, or not the state of a run"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "checkpoint"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SqznetError, match=message):
        fit(Line(), path=str(path), resume=True)


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    fit(Line(), 1, path=str(path), key="one")
    with pytest.raises(SqznetError, match="belongs to another run"):
        fit(Line(), path=str(path), key="other", resume=True)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(SqznetError, match="damaged, or not the state of a run"):
        fit(Line(), path=str(path), key="one", resume=True)
    torch.save({"version": 99}, path)
    with pytest.raises(SqznetError, match="not a state that this version of sqznet wrote"):
        fit(Line(), path=str(path), key="one", resume=True)


def test_a_checkpoint_executes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    torch.save({"version": 1, "key": "", "state": Lines()}, path)
    with pytest.raises(SqznetError, match="damaged, or not the state of a run"):
        fit(Line(), path=str(path), resume=True)
