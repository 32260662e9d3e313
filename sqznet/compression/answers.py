"""What compression needs to know of a network's answers, which are probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from sqznet.compression.maps import Floats
from sqznet.engine.pipeline import Pipeline
from sqznet.weights.checkpoint import Checkpoint


class Comparison(NamedTuple):
    """A compressed network's answers compared with those before; see
    `sqznet.compression.compressing.Compressed`."""

    agreement: float
    divergence: float
    top1: float | None = None


class Answers(Protocol):
    """The answers of one kind of network. ``model``: the network as it was, in float32.
    ``coarseness``: see `rounding.steps`, the one that nobody asks for: of those photos whose answer
    is not nearly a draw, none changes its own."""

    coarseness: float

    @property
    def model(self) -> Pipeline: ...

    def metadata(self, photos: Sequence[Floats], advance: Callable[[], None]) -> dict[str, str]:
        """The entries of the compressed file that describe the network: those that
        `sqznet.weights.metadata` defines. ``photos``: inputs (1, H, W, 3). ``advance`` is called
        once at most for every convolution."""

    def gradients(
        self, outputs: Mapping[str, Floats], random: np.random.Generator
    ) -> dict[str, Floats]:
        """The gradients of log p(y) with respect to the outputs of the heads, for an answer y that
        is drawn with the probabilities p that the network itself gives: no label is needed."""

    def importances(self) -> dict[str, Any]:
        """What a squared error of each output costs (O,), for the convolutions of which this is
        known better than from gradients, once those of all photos were asked for."""

    def of(self, photos: Sequence[Any], checkpoint: Checkpoint | None = None) -> list[Any]:
        """The answer for each preprocessed photo (1, 3, H, W), with the weights of a checkpoint in
        place of the model's own if there is one."""

    def compared(self, expected: Sequence[Any], found: Sequence[Any]) -> Comparison:
        """How well the answers agree with those that are expected."""
