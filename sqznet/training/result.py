"""The file that training makes: weights, labels, preprocessing, int8 scales and provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet.calibration.quantizing import CALIBRATED, evenly, gray_levels, with_integers
from sqznet.images.preprocessing import Preprocessing
from sqznet.model import Model
from sqznet.network.layers import Network
from sqznet.network.reference import softmax
from sqznet.network.variants import Wiring
from sqznet.weights import metadata
from sqznet.weights.checkpoint import Checkpoint, RawTensor
from sqznet.weights.strict_json import compact
from sqznet.weights.writers import safetensors

#: The entry of a file's metadata that says how it was trained.
TRAINING = "training"

_GROUP = 32  # photos that the network takes at once


class Design(NamedTuple):
    """What a network is besides its weights."""

    network: Network
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    wiring: Wiring


class Judged:
    """A trained network, run by our own kernels, and its validation photos.

    ``path``: the file that it becomes, for messages. ``photos``: uint8 (N, H, W, 3), RGB, of the
    input's size. scores: float32 (N, classes), the probabilities that it gives for these.
    """

    def __init__(
        self,
        path: str,
        design: Design,
        weights: Mapping[str, RawTensor],
        photos: npt.NDArray[np.uint8],
    ) -> None:
        self._model = Model(
            Checkpoint(
                path=path,
                format="safetensors",
                tensors=weights,
                metadata={},
                variant=design.network.variant,
                preprocessing=design.preprocessing,
                labels=design.labels,
                wiring=design.wiring,
            ),
            precision="float32",
        )
        self._photos = photos
        self.scores = softmax(
            np.concatenate([self._logits(group) for group in self._groups()])
        ).astype(np.float32)

    def encoded(self, provenance: Mapping[str, Any]) -> bytes:
        """The content of the safetensors file.

        The scales of int8 come from some of the photos; a network that normalizes each photo by
        itself has none.
        """
        model, network = self._model, self._model.executor.network
        pre = model.preprocessing
        stated = metadata.dump(network.variant, pre, model.labels, model.wiring)
        checkpoint = model.checkpoint._replace(metadata={**stated, TRAINING: compact(provenance)})
        if not pre.standardize:
            described = Model(checkpoint, precision="float32")
            some = [self._photos[index] for index in evenly(range(len(self._photos)), CALIBRATED)]
            levels = [gray_levels(self._as_they_are(), photo) for photo in some]
            checkpoint, _ = with_integers(described, levels, True, lambda: None)
        return safetensors.encode(checkpoint, network)

    def _groups(self) -> Iterator[npt.NDArray[np.uint8]]:
        for begin in range(0, len(self._photos), _GROUP):
            yield self._photos[begin : begin + _GROUP]

    def _logits(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        model = self._as_they_are()
        return model.logits(np.concatenate([model.preprocess(photo) for photo in photos]))

    def _as_they_are(self) -> Model:
        """The model for photos that have the size of its input already."""
        model, pre = copy(self._model), self._model.preprocessing
        model.preprocessing = pre._replace(resize=pre.size)
        return model
