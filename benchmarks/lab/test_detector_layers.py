"""The detector's time by layer: one line each, and the multiplications that are known."""

from __future__ import annotations

import sqznet
from benchmarks.detection import PHOTO
from benchmarks.lab import detector_layers


def test_a_line_for_each_layer() -> None:
    detector = sqznet.load_detector(threads=1, precision="float32")
    head, *lines, total = detector_layers.rows(detector, str(PHOTO), rounds=1)
    assert [line[0] for line in lines] == list(detector.executor.network.map_names)
    assert len(head) == len(total)
    assert total[3] == "459.3"  # million multiplications at 256 x 256, docs/detection.md
    assert lines[0][4] == "1.00"  # the photo itself
