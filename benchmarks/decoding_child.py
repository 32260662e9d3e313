"""Reads a weights file several times in an emulated Python; `benchmarks.decoding` counts.

Arguments: the file, and the number of reads.
"""

from __future__ import annotations

import sys

from sqznet import weights


def main() -> None:
    path, count = sys.argv[1:]
    for _ in range(int(count)):
        weights.read(path)


if __name__ == "__main__":
    main()
