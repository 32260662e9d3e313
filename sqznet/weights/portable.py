"""Weights on their way to another process: by the place they were read from, else by content."""

from __future__ import annotations

import os

from sqznet import weights
from sqznet.errors import SqznetError
from sqznet.weights import hub
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.locate import BUNDLED, locate


def portable(checkpoint: Checkpoint) -> str | Checkpoint:
    """What `restored` takes: a name or an absolute path as `sqznet.load` takes it, if the weights
    were read from there and the file is still the same; otherwise the weights themselves."""
    source = checkpoint.source
    if source is None or not source.is_unchanged():
        return checkpoint
    for name, path in BUNDLED.items():
        if source.path == os.path.abspath(path):
            return name
    try:
        return hub.name_of(source.path) or source.path
    except SqznetError:  # no folder for downloads is known
        return source.path


def restored(carried: str | Checkpoint) -> Checkpoint:
    """The weights again. Raises WeightsError if they are not where they were."""
    return carried if isinstance(carried, Checkpoint) else weights.read(locate(carried))
