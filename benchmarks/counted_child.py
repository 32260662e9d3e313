"""Runs one engine several times in an emulated Python; `benchmarks.instructions` counts.

Arguments: engine, model file, input (.npy), file for the logits (.npy), number of inferences.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.engines import get


def main() -> None:
    engine, model, source, target, calls = sys.argv[1:]
    x = np.load(source)
    adapter = get(engine)(model, 1, (x.shape[0], *x.shape[2:]))
    fed = adapter.feed(x)
    logits = adapter.infer(fed)
    for _ in range(int(calls) - 1):
        logits = adapter.infer(fed)
    np.save(target, logits)


if __name__ == "__main__":
    main()
