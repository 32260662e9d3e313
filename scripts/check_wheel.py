"""Checks an installed wheel using only Python: NumPy and Pillow lack wheels for some boards.

A generated image, passed as raw bytes, must get the same answer from every set of kernels.
"""

import sys

import sqznet
from sqznet import _kernels

SIDE = 240
EXPECTED = ("toucan", 0.42563)


def main() -> None:
    places = range(SIDE)
    picture = bytes((x * y // 60 + 40 * c) % 256 for y in places for x in places for c in range(3))
    frame = sqznet.Frame.wrap(memoryview(picture).cast("B", (SIDE, SIDE, 3)))
    for isa, families, runs, _ in _kernels.instruction_sets():
        if families and runs:
            label, score, _ = sqznet.load(isa=isa).classify(frame)[0]
            print(f"{isa}: {label} {score:.5f}")
            if label != EXPECTED[0] or abs(score - EXPECTED[1]) > 1e-4:
                sys.exit(f"expected {EXPECTED[0]} {EXPECTED[1]}")


if __name__ == "__main__":
    main()
