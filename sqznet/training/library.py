"""Finds torch when training is used."""

from __future__ import annotations

from typing import Any

from sqznet.errors import SqznetError, printable, shown

DEVICES = ("auto", "cpu", "cuda")


def torch_library() -> Any:
    """The module torch. Raises SqznetError, saying how to get it, if it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise SqznetError(
            f"training needs {error.name}: pip install torch (without a GPU, add --index-url "
            "https://download.pytorch.org/whl/cpu, which is smaller)"
        ) from None
    return torch


def device_named(name: str) -> Any:
    """The torch.device for one of `DEVICES`; "auto" is a GPU if torch can use one.

    Raises SqznetError for another name, and for "cuda" where torch has no GPU.
    """
    torch = torch_library()
    if name not in DEVICES:
        raise SqznetError(f"device is {shown(name)}, expected one of {', '.join(DEVICES)}")
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        version = printable(str(torch.__version__))
        raise SqznetError(
            f"device is 'cuda', but torch {version} finds no GPU; expected 'cpu' or 'auto'"
        )
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")
