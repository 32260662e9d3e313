"""Finds weights: the bundled ones, a file, or a file to download."""

from __future__ import annotations

import os

from sqznet import weights

_PATHS = (str, os.PathLike)

#: The weights that come with the package, by name.
BUNDLED = {
    "squeezenet1_1": weights.BUNDLED_PATH,
    "squeezenet1_1_detector": weights.DETECTOR_PATH,
}

WeightsLike = str | os.PathLike[str] | None


def locate(given: WeightsLike) -> str | os.PathLike[str]:
    """The path of the weights file that ``given`` stands for, downloaded first if necessary.

    ``given``: None for the bundled SqueezeNet 1.1, a name in `BUNDLED`, a path, or a name for
    ``sqznet.weights.hub``. Raises WeightsError if it cannot be downloaded.
    """
    if given is None:
        return weights.BUNDLED_PATH
    if isinstance(given, str):
        if given in BUNDLED:
            return BUNDLED[given]
        from sqznet.weights import hub  # not needed for the bundled weights

        if hub.is_remote(given):
            return hub.fetch(given)
    if isinstance(given, _PATHS):
        from sqznet.files.paths import expanded

        return expanded(given)
    return given
