"""Writers that put one set of weights into each rival's own file format."""

from __future__ import annotations
