"""sqznet against other CPU inference engines: same weights, same photos, same threads.

`python -m benchmarks.compare` prints the table; `pytest benchmarks` runs pytest-benchmark.
"""

from __future__ import annotations

import os
import sys

# Started from the repository, Python would import the source folder `sqznet/`, which has no
# compiled modules. Moving the repository to the end of the path lets the installed package win.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != _ROOT] + [_ROOT]
