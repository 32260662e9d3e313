"""One build of sqznet, timed by `benchmarks.compare_builds`: a JSON answer for each line of JSON.

That build's own Python runs it as a script. Both builds run this same file, so it uses public names
only. The argument is JSON: `weights` (a file by variant), `inputs` (a
preprocessed batch, .npy).
"""

from __future__ import annotations

import json
import sys
import time
from functools import lru_cache
from typing import Any

import numpy as np

import sqznet


class Host:
    """What the requests ask for, by name; models are loaded when they are first needed."""

    def __init__(self, weights: dict[str, str], inputs: str) -> None:
        self._weights = weights
        self._inputs = np.load(inputs)
        self._model = lru_cache(maxsize=None)(self._load)

    def _load(self, variant: str, threads: int) -> sqznet.Model:
        return sqznet.load(self._weights[variant], threads=threads, preprocessing="squash-bgr")

    def logits(self, variant: str, target: str) -> None:
        """Writes the logits of the whole batch into a file (.npy)."""
        np.save(target, self._model(variant, 1).logits(self._inputs))

    def latency(self, variant: str, threads: int, batch: int, calls: int) -> list[float]:
        """Seconds of each of some calls, after one that warms the caches."""
        model, x = self._model(variant, threads), self._inputs[:batch]
        return _seconds(lambda: model.logits(x), calls)

    def jpeg(self, variant: str, threads: int, photo: str, calls: int) -> list[float]:
        """Likewise, from a file to its labels."""
        model = self._model(variant, threads)
        return _seconds(lambda: model.classify(photo), calls)


def _seconds(call: Any, calls: int) -> list[float]:
    call()
    out = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        out.append(time.perf_counter() - start)
    return out


def main() -> None:
    host = Host(**json.loads(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(host, request.pop("do"))(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
