"""Texts that callers pass in place of a path: addresses and base64."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_WEB = ("http", "https")
# How base64 begins of JPEG, PNG, GIF, WebP, BMP and TIFF files.
_BASE64 = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0A")
_LEAST_BASE64 = 64


def is_address(text: str) -> bool:
    """Whether this is a URL, such as one of a web page, and no path."""
    return _ADDRESS.match(text) is not None


def is_web_address(text: str) -> bool:
    """Whether this is an address that `sqznet.images.fetching` can fetch."""
    match = _ADDRESS.match(text)
    return match is not None and match[1].lower() in _WEB


def advice(text: str) -> str | None:
    """What to do with a text that is not the path of a file; None if it could be one."""
    if is_web_address(text):
        return (
            "an address, expected a file: download it first (in Python, allow_urls=True fetches it)"
        )
    if is_address(text):
        return "an address, expected a file: download it first"
    if text.startswith("data:"):
        return "a data URL, expected a file: pass base64.b64decode of what follows its comma"
    is_long = len(text) >= _LEAST_BASE64 and re.fullmatch(r"[A-Za-z0-9+/=_\s-]+", text)
    if is_long and text.startswith(_BASE64):
        return "base64 text, expected a path: pass base64.b64decode(...) of it"
    return None
