"""The file that training makes: weights, labels, preprocessing, int8 scales and provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet.calibration.quantizing import CALIBRATED, evenly, normalized, with_integers
from sqznet.images.preprocessing import Preprocessing
from sqznet.model import Model
from sqznet.network.layers import Network
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


def model_of(path: str, design: Design, weights: Mapping[str, RawTensor]) -> Model:
    """The network with these weights, run by our own kernels. ``path``: its file's name."""
    checkpoint = Checkpoint(
        path=path,
        format="safetensors",
        tensors=weights,
        metadata={},
        variant=design.network.variant,
        preprocessing=design.preprocessing,
        labels=design.labels,
        wiring=design.wiring,
    )
    return Model(checkpoint, precision="float32")


def scores(model: Model, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The probabilities (N, classes) for gray levels (N, H, W, 3), RGB, of the input's size."""
    rows = [
        model.logits(normalized(model, _ordered(model, photos[i : i + _GROUP])))
        for i in range(0, len(photos), _GROUP)
    ]
    logits = np.concatenate(rows)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def encoded(model: Model, photos: npt.NDArray[np.uint8], provenance: Mapping[str, Any]) -> bytes:
    """The content of the safetensors file.

    ``photos``: as for `scores`; the scales of int8 come from some of them. A network that
    normalizes each photo by itself has none.
    """
    network, checkpoint = model.executor.network, model.checkpoint
    stated = metadata.dump(network.variant, model.preprocessing, model.labels, model.wiring)
    checkpoint = checkpoint._replace(metadata={**stated, TRAINING: compact(provenance)})
    if not model.preprocessing.standardize:
        some = evenly(range(len(photos)), CALIBRATED)
        levels = [_ordered(model, photos[i : i + 1]) for i in some]
        model = Model(checkpoint, precision="float32")
        checkpoint, _ = with_integers(model, levels, keep_weights=True, advance=lambda: None)
    return safetensors.encode(checkpoint, network)


def _ordered(model: Model, levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """RGB in the network's order of channels."""
    return levels[..., ::-1] if model.preprocessing.channel_order == "bgr" else levels
