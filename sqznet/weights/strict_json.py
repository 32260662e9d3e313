"""JSON as files have it: written in one way only, and read strictly."""

from __future__ import annotations

import json
from typing import Any

from sqznet.errors import WeightsError, shown

# 2**63 has 19 digits; a longer number cannot be a size.
_MAX_DIGITS = 19


def compact(value: object) -> str:
    """JSON in ASCII, without spaces and with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def parse_json(text: bytes, what: str) -> object:
    """Strict JSON: UTF-8, no duplicate keys, no NaN or Infinity, no huge numbers.

    Raises WeightsError, naming `what`, for anything else.
    """
    try:
        return _STRICT.decode(text.decode("utf-8"))
    except WeightsError as error:
        raise WeightsError(f"{what}: {error}") from None
    except RecursionError:
        raise WeightsError(f"{what}: JSON nested too deeply") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise WeightsError(f"{what}: not valid JSON ({error})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise WeightsError(f"the key {shown(key)} occurs twice")
        result[key] = value
    return result


def _refuse_constant(text: str) -> object:
    raise WeightsError(f"the number {text} is not allowed")


def _parse_int(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_DIGITS:
        raise WeightsError(f"a number of {len(text)} digits")
    return int(text)


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_parse_int
)
