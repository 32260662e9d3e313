"""Imports the Parquet library when such a file is written or read."""

from __future__ import annotations

from typing import Any

from sqznet.errors import SqznetError


def parquet_library() -> Any:
    """The modules pyarrow and pyarrow.parquet. Raises SqznetError if they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SqznetError("Parquet files need pyarrow: pip install pyarrow") from None
    return pyarrow
