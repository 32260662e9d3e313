"""The benchmark of the detector: its arithmetic, and its generated block."""

from __future__ import annotations

import numpy as np
import pytest

import sqznet
from benchmarks import detection
from benchmarks.detection import BOXES, BOXES_OF, CLASSIFIER, DETECTOR, INT8, LABELS_OF, RIVALS
from sqznet import _kernels

ROUND = {CLASSIFIER: 4e-3, DETECTOR: 6e-3, BOXES: 6e-5, LABELS_OF: 5e-3, BOXES_OF: 7e-3}


def test_the_ratios() -> None:
    said = detection.said([ROUND] * 3, "avx2", 0.04)
    assert "takes 1.50 times the classifier's (1.50 to 1.50; 1.50 by the fastest runs)" in said
    assert "its boxes 1.0% of that" in said
    assert said.endswith("3 rounds, avx2; other programs kept 0.0 cores busy")
    more = {RIVALS["onnxruntime"]: 15e-3, RIVALS["ncnn"]: 18e-3, INT8: 3e-3}
    said = detection.said([{**ROUND, **more}], "avx2", None)
    assert "onnxruntime takes 2.50 times as long, goal 2; ncnn takes 3.00 times" in said
    assert "int8 takes 0.50 of float32's time" in said


def test_the_block_is_a_table() -> None:
    lines = detection.block(detection.rows([ROUND] * 3), "As seen").splitlines()
    assert lines[2] == f"| {CLASSIFIER} | 4.00 | 4.00 |"
    assert max(map(len, lines)) <= 100


def test_ncnn_runs_the_same_network() -> None:
    pytest.importorskip("ncnn", reason="compares with ncnn")
    detector = sqznet.load_detector(threads=1, precision="float32")
    _, run, workspace = detection.network(detector, str(detection.PHOTO))
    (image,) = detector.preprocess(detection.PHOTO)
    _kernels.import_nchw(detector.executor.pool, image[None], workspace.input)
    run()
    found = detection.ncnn_session(detector, str(detection.PHOTO))()
    for ours, theirs in zip(workspace.outputs.values(), found, strict=True):
        wanted = np.array(ours)[0].transpose(2, 0, 1)
        assert np.abs(theirs - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_one_round() -> None:
    model, detector = sqznet.load(threads=1), sqznet.load_detector(threads=1)
    (taken,) = detection.measure(model, detector, str(detection.PHOTO), rounds=1)
    assert set(ROUND) <= set(taken)
    assert all(seconds > 0 for seconds in taken.values())


def test_the_frame_shows_what_the_photo_shows() -> None:
    detector = sqznet.load_detector(threads=1)
    (on_photo,), (on_frame,) = (
        detector.detect(image)
        for image in (str(detection.PHOTO), detection.camera_frame(str(detection.PHOTO)))
    )
    assert on_frame.label == on_photo.label
    assert abs(on_frame.score - on_photo.score) < 0.05
