"""Where weights come from: the package itself, a file, or somewhere to fetch one from."""

from __future__ import annotations

import os

from sqznet import weights

BUNDLED = "squeezenet1_1"

WeightsLike = str | os.PathLike[str] | None


def locate(given: WeightsLike) -> str | os.PathLike[str]:
    """The path of the weights file that this stands for, fetched first where it must be.

    ``given``: nothing or ``"squeezenet1_1"`` for the bundled weights, a path, or what
    ``sqznet.weights.hub`` fetches. Raises WeightsError if it cannot be fetched.
    """
    if given is None or given == BUNDLED:
        return weights.BUNDLED_PATH
    if isinstance(given, str):
        from sqznet.weights import hub  # the bundled weights need none of it

        if hub.is_remote(given):
            return hub.fetch(given)
    return given
