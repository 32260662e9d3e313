"""Finds weights: the bundled ones, a file, or a file to download."""

from __future__ import annotations

import os

from sqznet import weights

_PATHS = (str, os.PathLike)
BUNDLED = "squeezenet1_1"

WeightsLike = str | os.PathLike[str] | None


def locate(given: WeightsLike) -> str | os.PathLike[str]:
    """The path of the weights file that ``given`` stands for, downloaded first if necessary.

    ``given``: None or ``"squeezenet1_1"`` for the bundled weights, a path, or a name for
    ``sqznet.weights.hub``. Raises WeightsError if it cannot be downloaded.
    """
    if given is None or given == BUNDLED:
        return weights.BUNDLED_PATH
    if isinstance(given, str):
        from sqznet.weights import hub  # not needed for the bundled weights

        if hub.is_remote(given):
            return hub.fetch(given)
    if isinstance(given, _PATHS):
        from sqznet.files.paths import expanded

        return expanded(given)
    return given
