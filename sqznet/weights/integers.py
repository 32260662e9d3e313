"""The entry of a file's metadata that says how its network becomes 8-bit integers."""

from __future__ import annotations

from functools import lru_cache

from sqznet.errors import WeightsError
from sqznet.quantization.description import Integers, from_json, to_json
from sqznet.weights.strict_json import compact, parse_json


def integers_text(integers: Integers) -> str:
    """What `read_integers` turns back into these; ASCII, with a unique spelling."""
    return compact(to_json(integers))


@lru_cache(maxsize=4)  # one network asks several times
def read_integers(text: str) -> Integers:
    """Raises WeightsError, without the path, if it is invalid."""
    try:
        return from_json(parse_json(text.encode("utf-8", "replace"), "it"))
    except WeightsError as error:
        raise WeightsError(f'"integers" in the metadata: {error}') from None
