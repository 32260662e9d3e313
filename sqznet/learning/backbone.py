"""Identifies the network that a recognizer was trained on; any other network is refused."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqznet.errors import SqznetError, WeightsError, printable
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.variants import Wiring
from sqznet.weights.fingerprint import fingerprint

if TYPE_CHECKING:
    from sqznet.engine.pipeline import Pipeline
    from sqznet.weights import Checkpoint


@dataclass(frozen=True)
class Backbone:
    """A network and its input settings.

    file: the name of its weights file, without folders. sha256: see
    `sqznet.weights.fingerprint`. variant,
    preprocessing, wiring: the values of the Model.
    """

    file: str
    sha256: str
    variant: str
    preprocessing: Preprocessing
    wiring: Wiring

    @classmethod
    def of(cls, model: Pipeline) -> Backbone:
        checkpoint = model.checkpoint
        return cls(
            os.path.basename(checkpoint.path),
            fingerprint(checkpoint),
            model.variant,
            model.preprocessing,
            model.wiring,
        )

    def check_weights(self, checkpoint: Checkpoint) -> None:
        """Raises WeightsError, naming the expected weights, if these are different."""
        found = fingerprint(checkpoint)
        if found != self.sha256:
            raise WeightsError(
                f"was trained on {printable(self.file, 80)} ({printable(self.variant, 40)}, "
                f"weights {self.sha256[:16]}), found {checkpoint.path} (weights {found[:16]}); "
                "give the former as the backbone"
            )

    def check(self, model: Pipeline) -> None:
        """Raises WeightsError for different weights, and SqznetError for the same weights with
        another variant, preprocessing or wiring."""
        self.check_weights(model.checkpoint)
        for name in ("variant", "preprocessing", "wiring"):
            found, wanted = getattr(model, name), getattr(self, name)
            if _without_head(found) != _without_head(wanted):
                raise SqznetError(f"was trained with {name} {wanted}, the model has {found}")


def _without_head(setting: object) -> object:
    # What follows conv10 does not change the features that a recognizer learns from.
    if isinstance(setting, Wiring):
        return setting._replace(conv10_relu=True, activation=None)
    return setting
