"""Loads the scripts in tools/, which are not a package."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from .places import ROOT


def load_tool(name: str) -> ModuleType:
    """The module of a script, by its name without a suffix."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
