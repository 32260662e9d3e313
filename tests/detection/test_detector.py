"""`load_detector` and `Detector`: photos to boxes, for every way to ask."""

from __future__ import annotations

import asyncio
import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet import weights
from sqznet.detection.thresholds import DEFAULT

from ..support import detectors, networks
from ..support.places import COFFEE

LOW = 0.15  # finds something on any photo
PHOTOS = [networks.photo(seed) for seed in range(5)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return detectors.save(tmp_path_factory.mktemp("detector") / "small.safetensors")


@pytest.fixture(scope="module")
def detector(path: Path) -> sqznet.Detector:
    return sqznet.load_detector(path, threads=2)


def test_one_and_several(detector: sqznet.Detector) -> None:
    alone = [detector.detect(photo, LOW) for photo in PHOTOS]
    assert all(alone)
    assert detector.detect(PHOTOS, LOW) == alone
    assert detector.detect(iter(PHOTOS), LOW) == alone
    assert detector.detect(np.stack(PHOTOS), LOW) == alone
    assert detector.detect([], LOW) == []
    assert detector.detect_each(PHOTOS, LOW) == alone


def test_an_answer(detector: sqznet.Detector) -> None:
    height, width = PHOTOS[0].shape[:2]
    answers = detector.detect(PHOTOS[0], LOW)
    assert [a.score for a in answers] == sorted((a.score for a in answers), reverse=True)
    for answer in answers:
        assert isinstance(answer, sqznet.Detection)
        assert isinstance(answer.box, sqznet.Box)
        assert answer.label == answer.box.label == detectors.LABELS[answer.index]
        assert LOW <= answer.score == answer.box.score <= 1
        assert 0 <= answer.box.x0 < answer.box.x1 <= width
        assert 0 <= answer.box.y0 < answer.box.y1 <= height


def nearest(answer: sqznet.Detection, others: list[sqznet.Detection], scale: int = 1) -> float:
    """The largest difference from the sides of the answer of this class that is most like it."""
    alike = [np.array(other.box[:4]) for other in others if other.label == answer.label]
    return min(float(np.abs(scale * np.array(answer.box[:4]) - box).max()) for box in alike)


def test_boxes_are_in_pixels_of_the_photo(detector: sqznet.Detector) -> None:
    """Each pixel doubled, boxes have twice the coordinates; resizing differs a little."""
    small, large = PHOTOS[0], PHOTOS[0].repeat(2, axis=0).repeat(2, axis=1)
    for answer in detector.detect(small, 0.2):
        assert nearest(answer, detector.detect(large, LOW), scale=2) < 2


def jpeg(height: int, width: int, orientation: int = 1) -> bytes:
    image = Image.fromarray(networks.photo(9, height, width))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95, exif=exif.tobytes())
    return stream.getvalue()


@pytest.mark.parametrize("orientation", [1, 6])
def test_fast_decode_keeps_the_photos_pixels(detector: sqznet.Detector, orientation: int) -> None:
    data = jpeg(1200, 1600, orientation)
    exact, fast = (detector.detect(data, LOW, fast_decode=how) for how in (False, True))
    assert detector.decode(data).whole == ((1200, 1600) if orientation == 1 else (1600, 1200))
    assert np.array([a.box[:4] for a in exact]).max() > 400
    for answer in exact[:3]:
        assert nearest(answer, fast) < 40


def test_thresholds(detector: sqznet.Detector) -> None:
    everything = detector.detect(PHOTOS[0], 0.0)
    for threshold in (LOW, 0.2, 0.3, 1):
        found = detector.detect(PHOTOS[0], threshold)
        assert all(answer.score >= threshold for answer in found)
        assert len(found) <= len(everything)
    only = detector.detect(PHOTOS[0], {"ant": LOW, "bee": 1.0, "cow": 1.0})
    assert {answer.label for answer in only} <= {"ant"}
    assert detector.detect(PHOTOS[0], {}) == detector.detect(PHOTOS[0], DEFAULT)
    assert detector.detect(PHOTOS[0], {"ant": np.float32(0.5)}) is not None


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (1.01, "threshold is 1.01, expected a number from 0 to 1"),
        (-0.1, "threshold is -0.1"),
        (float("nan"), "threshold is nan"),
        ("0.5", "threshold is '0.5'"),
        (True, "threshold is True"),
        (None, "threshold is None"),
        ([0.1, 0.2, 0.3], "threshold is a list"),
        ({"dog": 0.5}, "threshold has the label 'dog', expected one of ant, bee, cow"),
        ({"ant": 2}, "threshold of ant is 2"),
        ({0: 0.5}, "threshold has the label 0"),
        (10**400, "threshold is an integer of 1329 bits"),
    ],
)
def test_bad_thresholds(detector: sqznet.Detector, threshold: Any, said: str) -> None:
    calls = (
        lambda: detector.detect(PHOTOS[0], threshold),
        lambda: detector.detect_each(PHOTOS, threshold),
        lambda: detector.detect_files(COFFEE, threshold),
        lambda: asyncio.run(detector.adetect(PHOTOS[0], threshold)),
    )
    for call in calls:
        with pytest.raises(sqznet.SqznetError) as caught:
            call()
        assert said in str(caught.value)


def test_top(detector: sqznet.Detector) -> None:
    everything = detector.detect(PHOTOS[0], LOW)
    assert detector.detect(PHOTOS[0], LOW, 2) == everything[:2]
    for top in (0, -1, 1.5, True, None):
        with pytest.raises(sqznet.SqznetError, match="top must be a whole number"):
            detector.detect(PHOTOS[0], LOW, top)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [128, (160, 128), [128, 256], (128, 1024)])
def test_sizes(path: Path, size: Any) -> None:
    detector = sqznet.load_detector(path, size=size, threads=1)
    assert detector.size == (tuple(size) if isinstance(size, tuple | list) else (size, size))
    assert detector.detect(PHOTOS[0], LOW)


@pytest.mark.parametrize("size", [0, 96, 130, (128, 100), (128,), "big", 4128, 256.5, True])
def test_sizes_that_cannot_be(path: Path, size: Any) -> None:
    with pytest.raises(sqznet.SqznetError, match=r"size is .*, expected"):
        sqznet.load_detector(path, size=size)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 2000)])
def test_photos_of_extreme_shape(detector: sqznet.Detector, shape: tuple[int, int]) -> None:
    photo = np.full((*shape, 3), 90, np.uint8)
    for answer in detector.detect(photo, 0.0):
        assert 0 <= answer.box.x0 <= answer.box.x1 <= shape[1]
        assert 0 <= answer.box.y0 <= answer.box.y1 <= shape[0]


def test_bgr_and_frames(detector: sqznet.Detector) -> None:
    wanted = detector.detect(PHOTOS[0], LOW)
    backwards = np.ascontiguousarray(PHOTOS[0][..., ::-1])
    assert detector.detect(backwards, LOW, channels="bgr") == wanted
    assert detector.detect(sqznet.Frame.wrap(backwards, "bgr"), LOW) == wanted
    with pytest.raises(sqznet.SqznetError, match="channels"):
        detector.detect(PHOTOS[0], channels="rbg")


def test_files(detector: sqznet.Detector, tmp_path: Path) -> None:
    for i, photo in enumerate(PHOTOS):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    results = list(detector.detect_files(tmp_path, LOW, top=3))
    assert [Path(result.path).name for result in results] == [f"{i}.png" for i in range(5)]
    for i, result in enumerate(results):
        if i == 3:
            assert result.detections == []
            assert isinstance(result.error, sqznet.ImageError)
        else:
            assert result.error is None
            assert result.detections == detector.detect(PHOTOS[i], LOW, 3)
    (one,) = detector.detect_files(tmp_path / "0.png", LOW)
    assert one.detections == detector.detect(PHOTOS[0], LOW)


def test_errors_by_photo(detector: sqznet.Detector) -> None:
    found = detector.detect_each([PHOTOS[0], "/no/such/file.jpg", PHOTOS[1]], LOW)
    assert isinstance(found[1], sqznet.ImageError)
    assert found[0::2] == detector.detect(PHOTOS[:2], LOW)
    with pytest.raises(sqznet.ImageError, match="no such file"):
        detector.detect("/no/such/file.jpg")


def test_asynchronous(detector: sqznet.Detector) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(*(detector.adetect(photo, LOW) for photo in PHOTOS))

    assert asyncio.run(main()) == detector.detect(PHOTOS, LOW)


def test_many_threads(detector: sqznet.Detector) -> None:
    wanted = detector.detect(PHOTOS, LOW)
    with ThreadPoolExecutor(4) as threads:
        for model in (detector, detector.alone()):
            found = list(threads.map(lambda photo, m=model: m.detect(photo, LOW), PHOTOS * 4))
            assert found == wanted * 4
    assert detector.alone().threads == 1


@pytest.mark.parametrize(
    "made", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_copies(path: Path, made: Any) -> None:
    detector = sqznet.load_detector(path, size=160, threads=1)
    other = made(detector)
    assert (other.size, other.labels, other.fingerprint) == (
        (160, 160),
        detectors.LABELS,
        detector.fingerprint,
    )
    assert other.detect(PHOTOS[0], LOW) == detector.detect(PHOTOS[0], LOW)


def test_a_pickled_detector_needs_the_same_weights(path: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(path.read_bytes())
    pickled = pickle.dumps(sqznet.load_detector(own))
    detectors.save(own, detectors.tensors(seed=1))
    with pytest.raises(sqznet.WeightsError, match="other weights here than where they were"):
        pickle.loads(pickled)


def test_fingerprints(path: Path, tmp_path: Path) -> None:
    """Whatever changes answers changes them."""
    other = detectors.save(tmp_path / "nms.safetensors", nms={"iou": 0.5})
    ways = (
        sqznet.load_detector(path),
        sqznet.load_detector(path, size=160),
        sqznet.load_detector(other),
        sqznet.load_detector(detectors.save(tmp_path / "b.safetensors", detectors.tensors(1))),
    )
    assert len({way.fingerprint for way in ways}) == len(ways)
    assert sqznet.load_detector(path, threads=1, isa="scalar").fingerprint == ways[0].fingerprint


def test_every_instruction_set_finds_the_same(path: Path, detector: sqznet.Detector) -> None:
    from sqznet import _kernels

    wanted = detector.detect(PHOTOS[0], 0.2)
    for name, families, runs, _ in _kernels.instruction_sets():
        if not runs or "f32" not in families:
            continue
        found = sqznet.load_detector(path, isa=name).detect(PHOTOS[0], 0.2)
        assert [a.label for a in found] == [a.label for a in wanted]
        for a, b in zip(found, wanted, strict=True):
            assert np.abs(np.array(a.box[:4]) - b.box[:4]).max() < 0.01


def test_attributes(detector: sqznet.Detector) -> None:
    assert (detector.labels, detector.size, detector.threads) == (detectors.LABELS, (128, 128), 2)
    assert (detector.precision, detector.variant) == ("float32", "squeezenet1_1")
    assert repr(detector) == (
        f"<sqznet.Detector squeezenet1_1, ant, bee, cow, 128x128, float32, {detector.isa}, "
        "2 threads>"
    )


def test_a_photo_never_overflows_the_bundled_weights() -> None:
    """So that no run is looked at, which takes longer."""
    detector = sqznet.load_detector(threads=1)
    assert detector.executor.safe_input > 1000 * detector.largest_input


def test_the_bundled_detector() -> None:
    detector = sqznet.load_detector("squeezenet1_1_detector", threads=1)
    assert detector.labels == ("person", "cat", "dog", "horse", "cow", "sheep")
    assert detector.size == (256, 256)
    cat = COFFEE.with_name("chelsea.jpg")
    best = sqznet.detect(cat)[0]
    assert best == detector.detect(cat)[0]
    assert best.label == "cat"
    height, width = detector.decode(cat).whole
    assert (best.box.x1 - best.box.x0) * (best.box.y1 - best.box.y0) > 0.4 * height * width


def test_a_pickled_bundled_detector_is_found_by_its_name() -> None:
    made = pickle.dumps(sqznet.load_detector())
    assert b"squeezenet1_1_detector" in made
    assert weights.DETECTOR_PATH.encode() not in made
    assert pickle.loads(made).fingerprint == sqznet.load_detector().fingerprint
