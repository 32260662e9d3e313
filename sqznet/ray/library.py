"""Imports Ray when a cluster is used."""

from __future__ import annotations

from typing import Any

from sqznet.errors import SqznetError


def ray_library(data: bool = False) -> Any:
    """The module ray; ``data``: with ray.data. Raises SqznetError if it is not installed."""
    try:
        import ray

        if data:
            import ray.data
    except ImportError as error:
        raise SqznetError(
            f"a Ray cluster needs {error.name}: pip install ray pandas pyarrow fsspec"
        ) from None
    return ray
