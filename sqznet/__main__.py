"""`python -m sqznet`: the same as the command `sqznet`."""

from __future__ import annotations

import sys

from sqznet.cli import main

sys.exit(main())
