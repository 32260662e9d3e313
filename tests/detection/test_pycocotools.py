"""Average precision compared with pycocotools, COCO's own program, on random boxes."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqznet.cli.coco_results import CocoResults, own_numbers
from sqznet.detection.coco import coco_photos
from sqznet.detection.evaluation import evaluate

from ..support.known_boxes import LABELS, KnownDetector, detection, true_photo

coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")


@pytest.mark.parametrize("seed", range(4))
def test_all_figures_are_those_of_pycocotools(tmp_path: Path, seed: int) -> None:
    """Photos with crowds, things of all sizes, equal scores, and more boxes than count."""
    from pycocotools.cocoeval import COCOeval

    some = np.random.default_rng(seed)
    images: list[Any] = []
    annotations: list[Any] = []
    answers = {}
    for number in range(1, 16):
        width = 300 + number
        name = f"{number:012}.png"
        images.append({"id": number, "file_name": name, "width": width, "height": 200})
        photo = true_photo(width, [])
        (tmp_path / name).write_bytes(photo.found.content or b"")
        found = []
        for _ in range(some.integers(0, 9)):
            x, y = some.uniform(0, 150, 2)
            w, h = np.exp(some.uniform(1.5, 5, 2))
            category = int(some.integers(2))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 17 + category,
                    "bbox": [x, y, w, h],
                    "area": w * h * some.uniform(0.4, 1),
                    "iscrowd": int(some.random() < 0.15),
                }
            )
            for _ in range(some.integers(0, 40 if seed == 3 else 4)):
                left, top, right, bottom = some.normal(0, 0.12, 4)
                sides = (x + left * w, y + top * h, x + w + right * w, y + h + bottom * h)
                score = round(float(some.uniform(0.02, 1)), 2)  # some are equal
                label = LABELS[category if some.random() < 0.9 else 1 - category]
                found.append(detection(label, score, *sides))
        answers[width] = [d for d in found if d.box.x1 > d.box.x0 and d.box.y1 > d.box.y0]
    truth = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    photos = coco_photos(tmp_path / "truth.json", None, lambda _: None)
    detector: Any = KnownDetector(answers)
    detector.detect = lambda image, threshold, top: answers[image.width]
    ours = evaluate(detector, photos, lambda _: None)

    content = io.BytesIO()
    results = CocoResults(own_numbers([image["file_name"] for image in images], LABELS), content)
    results.begin()
    for image in images:
        results.write(image["file_name"], answers[image["width"]])
    results.finish()
    (tmp_path / "results.json").write_bytes(content.getvalue())
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO(str(tmp_path / "truth.json"))
        theirs = COCOeval(known, known.loadRes(str(tmp_path / "results.json")), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    means = (ours.ap, ours.ap50, ours.ap75, *map(ours.ap_of, ("small", "medium", "large")))
    means = [-1.0 if mean is None else mean for mean in means]  # as theirs without things
    assert means == pytest.approx(theirs.stats[:6].tolist(), abs=1e-12)
    for index, row in enumerate(ours.figures()):
        precision = theirs.eval["precision"][:, :, index, 0, 2]  # all areas, 100 detections
        assert row.ap == pytest.approx(precision.mean(), abs=1e-12)
        assert row.ap50 == pytest.approx(precision[0].mean(), abs=1e-12)
