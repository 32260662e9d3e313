"""Boxes, arrows and text as plain SVG, in light and dark colors."""

from __future__ import annotations

import textwrap
from html import escape
from typing import NamedTuple

SANS = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
MONO = "Menlo, Consolas, 'DejaVu Sans Mono', monospace"

# class: (property, light, dark)
_COLORS = {
    "panel": ("fill", "#ffffff", "#0d1117"),
    "package": ("fill", "#eef3fb", "#172033"),
    "file": ("fill", "#fbf6ea", "#2a2416"),
    "ground": ("fill", "#eceef0", "#1b1f25"),
    "compiled": ("fill", "#ffffff", "#0d1117"),
    "edge": ("stroke", "#b9c3d2", "#3d4a60"),
    "text": ("fill", "#1b2430", "#e6ebf2"),
    "quiet": ("fill", "#53607a", "#a3b0c6"),
    "line": ("stroke", "#66738c", "#8b99b0"),
    "head": ("fill", "#66738c", "#8b99b0"),
    "photo": ("fill", "#2563c9", "#2f6fde"),
    "weights": ("fill", "#b4540a", "#bf5d12"),
    "frame": ("fill", "#1c7d43", "#228a4c"),
}
_FIXED = f"""
text {{ font-family: {SANS}; }}
.mono {{ font-family: {MONO}; }}
.bold {{ font-weight: bold; }}
.line {{ fill: none; stroke-width: 1.4; }}
.badge {{ fill: #ffffff; font-weight: bold; text-anchor: middle; }}
"""


class Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def wrapped(text: str, width: float, size: float, mono: bool = False) -> list[str]:
    """The lines of a text in this width, for a font as wide as DejaVu's."""
    return textwrap.wrap(
        text, int(width / (size * (0.602 if mono else 0.545))), break_long_words=False
    )


class Picture:
    """Collects elements in the order in which they are drawn."""

    def __init__(self) -> None:
        self._elements: list[str] = []

    def box(self, box: Box, kind: str, radius: int = 7) -> None:
        self._elements.append(
            f'<rect class="{kind} edge" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
            f'height="{box.height:g}" rx="{radius}"/>'
        )

    def text(self, x: float, y: float, text: str, size: float, kind: str = "text") -> None:
        """`kind`: classes; `y`: of the base line."""
        self._elements.append(
            f'<text class="{kind}" x="{x:g}" y="{y:g}" font-size="{size:g}">{escape(text)}</text>'
        )

    def badge(self, x: float, y: float, text: str, kind: str) -> float:
        """A colored pill from `x` on, `y` its middle; returns its right end."""
        width = max(17.0, 7.0 * len(text) + 8)
        self._elements.append(
            f'<rect class="{kind}" x="{x:g}" y="{y - 8.5:g}" width="{width:g}" height="17" '
            'rx="8.5"/>'
        )
        self.text(x + width / 2, y + 4, text, 11, "badge")
        return x + width

    def arrow(self, path: str) -> None:
        self._elements.append(f'<path class="line" marker-end="url(#head)" d="{path}"/>')

    def svg(self, title: str, width: float, height: float) -> str:
        light = "\n".join(f".{name} {{ {p}: {c}; }}" for name, (p, c, _) in _COLORS.items())
        dark = "\n".join(f"  .{name} {{ {p}: {c}; }}" for name, (p, _, c) in _COLORS.items())
        size = f"{width:g} {height:g}"
        return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{width:g}" height="{height:g}">
<title>{escape(title)}</title>
<style>{_FIXED}{light}
@media (prefers-color-scheme: dark) {{
{dark}
}}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" \
markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 Z"/></marker></defs>
<rect class="panel edge" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="10"/>
{chr(10).join(self._elements)}
</svg>
"""
