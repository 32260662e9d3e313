"""Trains whatever a task describes: epochs, learning rates, averaging, checkpoints and interrupts.

A run is a function of its task and its limits. What a task draws at random depends on the epoch
alone (see `sqznet.training.seeding`), so a run that goes on from the checkpoint of an epoch ends
with the same weights as one that was never interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from sqznet.errors import SqznetError, path_for_messages, reason_of
from sqznet.training import checkpoint
from sqznet.training.averaging import Average
from sqznet.training.schedule import PATIENCE, PATIENT_EPOCHS, Limits, rate_at

# The longest gradient of a step, all parameters together; a longer one is shortened.
_LONGEST = 5.0

# Every so many steps it is looked whether the numbers are finite: a GPU must wait for that.
_LOOK = 20

# After so many returns to the last good state, a run is given up.
_RETURNS = 6


class Measures(NamedTuple):
    """What a validation found. score: the weights with the highest are kept. values: by name, for
    the history and for progress, such as "accuracy"."""

    score: float
    values: Mapping[str, float]


class Group(NamedTuple):
    """Parameters with a peak learning rate and a weight decay (AdamW, arXiv:1711.05101)."""

    parameters: Sequence[nn.Parameter]
    rate: float
    decay: float = 0.0


class Task(Protocol):
    """What is trained.

    module: has all parameters, on the device where it is trained. groups: those that change.
    steps: how many batches an epoch has.
    """

    @property
    def module(self) -> nn.Module: ...

    @property
    def groups(self) -> Sequence[Group]: ...

    @property
    def steps(self) -> int: ...

    def batches(self, epoch: int) -> Iterable[Any]:
        """The batches of an epoch, 0 or more; the same for each call with this epoch."""
        ...

    def loss(self, batch: Any) -> Tensor:
        """The loss of ``module`` on a batch, a scalar; called under autocast on a GPU."""
        ...

    def validate(self, module: nn.Module) -> Measures:
        """Measures a module like ``module``, which is in evaluation mode, without gradients."""
        ...


class Listener:
    """Hears of a run's progress; a subclass does something about it."""

    def step(self, progress: float, left: float | None) -> None:
        """After each step. ``progress``: the share of the run that is done, 0..1. ``left``: the
        seconds that are left, or None while that is not known."""

    def epoch(self, record: Mapping[str, float]) -> None:
        """After each epoch and its validation, with its line of the history."""

    def say(self, line: str) -> None:
        """Something that the user should know."""


@dataclass
class Fitted:
    """The end of a run; the task's module has the best weights.

    best: what the validation measured of them. best_epoch: the number of epochs that they had, 0
    for those that the run began with. history: a line for each epoch, with "epoch", "progress",
    "loss" (the mean of its steps), "rate" (the learning rate's share of its peak), "seconds" since
    the run began, "score", and the validation's values. stopped: why the run ended, "epochs",
    "time", "patience", or "interrupt". interrupt: what interrupted it; whoever called raises it
    when the results are safe.
    """

    best: Measures
    best_epoch: int
    history: list[dict[str, float]]
    stopped: str
    interrupt: KeyboardInterrupt | None = None


def fit(
    task: Task,
    limits: Limits,
    path: str | None = None,
    key: str = "",
    resume: bool = False,
    listener: Listener | None = None,
) -> Fitted:
    """Trains the task's module; afterwards it has the weights with the best score.

    ``path``: the file of the checkpoints, None for none. ``key``: what the run is about; a run is
    resumed only with the same key. ``resume``: goes on from the checkpoint. An interrupt
    (KeyboardInterrupt) ends the run with the best weights so far, see `Fitted`.

    Raises SqznetError if a checkpoint cannot be resumed, and if the loss stays infinite or NaN at
    ever smaller learning rates.
    """
    run = _Run(task, limits, path, key, listener or Listener())
    return run.fit(resume)


@dataclass
class _Best:
    """The best weights so far: what was measured of them, and when."""

    measures: Measures
    epoch: int
    progress: float
    weights: dict[str, Any]


class _Run:
    def __init__(
        self, task: Task, limits: Limits, path: str | None, key: str, listener: Listener
    ) -> None:
        self._task, self._limits, self._listener = task, limits, listener
        self._path, self._key = path, key
        self._average = Average(task.module)
        self._peaks = [group.rate for group in task.groups]
        self._optimizer = torch.optim.AdamW(
            {"params": list(group.parameters), "lr": group.rate, "weight_decay": group.decay}
            for group in task.groups
        )
        self._trained = [p for group in task.groups for p in group.parameters]
        self._device = self._trained[0].device
        self._look = 1 if self._device.type == "cpu" else _LOOK
        self._epoch, self._returns = 0, 0
        self._history: list[dict[str, float]] = []
        self._best: _Best | None = None
        self._before = 0.0  # seconds of the runs that this one resumes
        self._began = time.monotonic()
        self._began_at = 0.0  # the progress then
        self._validation = 0.0  # seconds that the last one took
        self._unsaved = False

    def fit(self, resume: bool) -> Fitted:
        if resume and self._path is not None:
            state = checkpoint.load(self._path, self._key)
            self._restore(state)
            self._returns, self._before = state["returns"], state["seconds"]
            self._began_at = self._progress()
        interrupt: KeyboardInterrupt | None = None
        try:
            if self._best is None:
                self._keep_if_better(self._validated())
            good = self._state()
            while (stopped := self._end()) is None:
                good = self._next_epoch(good)
        except KeyboardInterrupt as raised:
            if self._best is None:
                raise
            stopped, interrupt = "interrupt", raised
        best = self._best
        assert best is not None
        self._task.module.load_state_dict(best.weights)
        self._task.module.eval()
        return Fitted(best.measures, best.epoch, self._history, stopped, interrupt)

    def _end(self) -> str | None:
        """Why the run ends now, if it does."""
        limits, best = self._limits, self._best
        assert best is not None
        if limits.epochs is not None and self._epoch >= limits.epochs:
            return "epochs"
        if self._is_late():
            return "time"
        without = self._progress() - best.progress
        if without > PATIENCE and self._epoch - best.epoch >= PATIENT_EPOCHS:
            return "patience"
        return None

    def _next_epoch(self, good: dict[str, Any]) -> dict[str, Any]:
        """Trains for an epoch; the state then, which is ``good`` if its numbers went bad."""
        mean = self._trained_epoch()
        measures = None if mean is None else self._validated()
        if mean is None or measures is None or math.isnan(measures.score):
            self._return(good)
            return good
        self._epoch += 1
        self._history.append(
            {
                "epoch": self._epoch,
                "progress": self._progress(),
                "loss": mean,
                "rate": self._rate(self._progress()),
                "seconds": self._seconds(),
                "score": measures.score,
                **measures.values,
            }
        )
        self._keep_if_better(measures)
        good = self._state()
        self._save(good)
        self._listener.epoch(self._history[-1])
        return good

    def _trained_epoch(self) -> float | None:
        """Steps through the batches of an epoch, until time is up. The mean loss; None as soon as a
        loss or a gradient is infinite or NaN."""
        self._task.module.train()
        losses = torch.zeros((), device=self._device)
        norms = torch.zeros((), device=self._device)
        count = 0
        for batch in self._task.batches(self._epoch):
            if count and self._is_late():
                break
            loss, norm = self._step(batch, self._progress(count))
            losses += loss
            norms += norm
            count += 1
            if count % self._look == 0 and not math.isfinite(float(losses + norms)):
                return None
            progress = self._progress(count)
            self._listener.step(progress, self._left(progress))
        mean = float(losses + 0 * norms) / max(count, 1)
        return mean if math.isfinite(mean) else None

    def _step(self, batch: Any, progress: float) -> tuple[Tensor, Tensor]:
        """One step; the loss and the length of the gradient before it."""
        rate = self._rate(progress)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * rate
        with _autocast(self._device):
            loss = self._task.loss(batch)
        self._optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self._trained, _LONGEST)
        self._optimizer.step()
        self._average.update(self._task.module)
        return loss.detach(), norm

    def _rate(self, progress: float) -> float:
        return rate_at(progress) * 0.5**self._returns

    def _validated(self) -> Measures:
        began = time.monotonic()
        with torch.no_grad(), _autocast(self._device):
            measures = self._task.validate(self._average.module)
        self._validation = time.monotonic() - began
        return measures

    def _keep_if_better(self, measures: Measures) -> None:
        if self._best is None or measures.score > self._best.measures.score:
            weights = deepcopy(self._average.module.state_dict())
            self._best = _Best(measures, self._epoch, self._progress(), weights)

    def _return(self, good: dict[str, Any]) -> None:
        """Goes back to the last good state, at half the learning rate."""
        self._returns += 1
        if self._returns > _RETURNS:
            raise SqznetError(
                f"the loss became infinite or NaN {self._returns} times, the last time at "
                f"1/{2**_RETURNS} of the learning rate; look for damaged weights or labels"
            )
        if self._returns == 1:
            self._listener.say(
                f"the loss became infinite or NaN in epoch {self._epoch + 1}: going back to the "
                "last good state, at half the learning rate"
            )
        self._restore(good)

    def _state(self) -> dict[str, Any]:
        """All that the run needs to go on from here, in memory of its own."""
        best = self._best
        assert best is not None
        return deepcopy(
            {
                "module": self._task.module.state_dict(),
                "average": self._average.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "epoch": self._epoch,
                "history": self._history,
                "returns": self._returns,
                "seconds": self._seconds(),
                "best": {
                    "score": best.measures.score,
                    "values": dict(best.measures.values),
                    "epoch": best.epoch,
                    "progress": best.progress,
                    "weights": best.weights,
                },
            }
        )

    def _restore(self, state: dict[str, Any]) -> None:
        # Optimizers take over the tensors of a state, and change them.
        state = deepcopy(state)
        self._task.module.load_state_dict(state["module"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._epoch, self._history = state["epoch"], state["history"]
        best = state["best"]
        measures = Measures(best["score"], best["values"])
        self._best = _Best(measures, best["epoch"], best["progress"], best["weights"])

    def _save(self, state: dict[str, Any]) -> None:
        """Writes the checkpoint. If that is not possible, the run goes on all the same."""
        if self._path is None:
            return
        try:
            checkpoint.save(self._path, self._key, state)
        except OSError as error:
            if not self._unsaved:
                self._listener.say(
                    f"{path_for_messages(self._path)}: cannot be written: {reason_of(error)}; "
                    "training goes on, but cannot be resumed from here"
                )
            self._unsaved = True

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    def _is_late(self) -> bool:
        """Whether the time is up, but for the validation."""
        limit = self._limits.seconds
        return limit is not None and self._seconds() + self._validation >= limit

    def _progress(self, steps: int = 0) -> float:
        """The share of the run that is done, with so many steps of the next epoch."""
        epochs = self._epoch + steps / max(self._task.steps, 1)
        return self._limits.progress(epochs, self._seconds())

    def _left(self, progress: float) -> float | None:
        done = progress - self._began_at
        if done <= 0:
            return None
        return (1 - progress) * (time.monotonic() - self._began) / done


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Half the bits where that pays: bfloat16 on processors that have it. The weights themselves,
    their gradients and averages stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if _has_bfloat16(device) else nullcontext()


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Newer than torch 2.4.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
