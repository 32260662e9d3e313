"""The entry point."""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """The folder in which PyInstaller looks for hooks."""
    return [os.path.dirname(os.path.abspath(__file__))]
