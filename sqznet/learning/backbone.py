"""Identifies the network that a recognizer was trained on; any other network is refused."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from sqznet.errors import SqznetError, WeightsError, printable
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.variants import Wiring
from sqznet.weights.metadata import compact

if TYPE_CHECKING:
    from sqznet.engine.pipeline import Pipeline
    from sqznet.weights import Checkpoint


@dataclass(frozen=True)
class Backbone:
    """A network and its input settings.

    file: the name of its weights file, without folders. sha256: see `fingerprint`. variant,
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


def fingerprint(checkpoint: Checkpoint) -> str:
    """The SHA-256, in hex, of a network's weights; it does not depend on the file format.

    It covers every tensor in the order of the names: first a line of JSON ([name, element type,
    shape]), then the tensor's bytes, int8 tensors as float32. If activations are rounded, a last
    line says how.
    """
    checkpoint.require_unchanged()
    digest = sha256()
    for name, stored in sorted(checkpoint.tensors.items()):
        tensor = stored.floats()
        digest.update(f"{compact([name, tensor.dtype, tensor.shape])}\n".encode())
        digest.update(tensor.data)
    if checkpoint.activations:
        rounding = {
            place: [grid._asdict() for grid in grids]
            for place, grids in checkpoint.activations.items()
        }
        digest.update(f"{compact(rounding)}\n".encode())
    return digest.hexdigest()
