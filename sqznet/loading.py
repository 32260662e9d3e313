"""Makes a Model from weights from anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sqznet import weights
from sqznet.errors import SqznetError, WeightsError
from sqznet.images.preprocessing import Preprocessing, resolve
from sqznet.model import Model
from sqznet.weights.labels import Labels


def load_model(
    path: str | os.PathLike[str] = weights.BUNDLED_PATH,
    *,
    threads: int | None = None,
    isa: str | None = None,
    precision: str | None = None,
    variant: str | None = None,
    preprocessing: str | Preprocessing | Mapping[str, Any] | None = None,
    labels: Labels | None = None,
    conv1_padding: int | None = None,
    conv10_padding: int | None = None,
    ceil_mode: bool | None = None,
    conv10_relu: bool | None = None,
    activation: str | None = None,
    prefix: str | None = None,
) -> Model:
    """See ``sqznet.load``; ``path``: a weights file, not a recognizer."""
    checkpoint = weights.read(path, prefix)
    if checkpoint.detector is not None:
        raise WeightsError(
            f"{checkpoint.path}: is a detector, which sqznet.load_detector and 'sqznet detect' "
            "open; expected a classifier"
        )
    if checkpoint.choice:
        import logging  # takes time that other files do not need

        logging.getLogger("sqznet").warning("%s: %s", checkpoint.path, checkpoint.choice)
    given = {
        "conv1_padding": conv1_padding,
        "conv10_padding": conv10_padding,
        "ceil_mode": ceil_mode,
        "conv10_relu": conv10_relu,
        "activation": activation,
    }
    changes: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    return Model(
        checkpoint,
        threads=threads,
        isa=isa,
        precision=precision,
        variant=variant,
        preprocessing=None if preprocessing is None else resolve(preprocessing),
        labels=labels,
        wiring=checkpoint.wiring._replace(**changes),
    )


def model_or_bundled(given: Any) -> Model:
    """What was given, or the bundled model for None. Raises SqznetError if it is not a Model."""
    model = load_model() if given is None else given
    if not isinstance(model, Model):
        raise SqznetError(f"model is a {type(model).__name__}, expected a Model")
    return model
