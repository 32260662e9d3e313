"""Loaded networks on their way to another process, and what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.images.preprocessing import Preprocessing


class Portable(Protocol):
    """A `Pipeline` that says what it is."""

    asked: dict[str, Any]
    checkpoint: weights.Checkpoint
    precision: str
    preprocessing: Preprocessing

    @property
    def fingerprint(self) -> str: ...


def fingerprint_of(kind: str, checkpoint: weights.Checkpoint, *settings: object) -> str:
    """``kind``, and a hash of the weights and of the settings, which can be written as JSON."""
    from hashlib import sha256

    from sqznet.weights.fingerprint import fingerprint
    from sqznet.weights.strict_json import compact

    text = compact([fingerprint(checkpoint), *settings])
    return f"{kind}-{sha256(text.encode()).hexdigest()[:16]}"


def reduced(network: Portable, **settings: Any) -> tuple[Any, ...]:
    """What ``__reduce__`` gives: the network is loaded again from the bundled weights or a name to
    download if it came from there, from the absolute path of its file, or, if the file is gone or
    was changed, from the weights themselves. Its precision, which decides the answers, is the same.

    ``settings``: its other arguments.
    """
    from sqznet.weights.portable import portable

    settings |= network.asked
    settings |= {"precision": network.precision, "preprocessing": network.preprocessing}
    return _restored, (
        type(network),
        portable(network.checkpoint),
        settings,
        network.fingerprint,
    )


def _restored(
    made: Any, carried: str | weights.Checkpoint, settings: Mapping[str, Any], fingerprint: str
) -> Portable:
    from sqznet.weights.portable import restored

    network: Portable = made(restored(carried), **settings)
    if network.fingerprint != fingerprint:
        raise WeightsError(
            f"{network.checkpoint.path}: holds other weights here than where they were pickled"
        )
    return network
