"""Any damage to a video gives frames, and then its end or one SqznetError."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

import sqznet
from sqznet.errors import SqznetError

from ..support.watching import Levels, animated, encoded
from ..support.weights_refusal import SECONDS, check_message
from .damage import Edit, damaged, edits
from .harness import every_length, fuzz

pytest.importorskip("av", reason="PyAV is not installed: pip install av")

LEVELS = [40, 80, 120, 160]
# A damaged header may state any length, and any size up to a limit; every frame costs time.
MOST_FRAMES = 30


SEEDS: Mapping[str, Callable[[], bytes]] = {
    "mp4": partial(encoded, LEVELS, "mp4", "libx264"),
    "fragments": partial(
        encoded, LEVELS, "mp4", "libx264", piped=True, movflags="frag_keyframe+empty_moov"
    ),
    "mkv": partial(encoded, LEVELS, "matroska", "libx264"),
    "webm": partial(encoded, LEVELS, "webm", "libvpx", piped=True),
    "avi": partial(encoded, LEVELS, "avi", "mpeg4"),
    "ts": partial(encoded, LEVELS, "mpegts", "mpeg2video"),
    "h264": partial(encoded, LEVELS, "h264", "libx264"),
    "mjpeg": partial(encoded, LEVELS, "mjpeg", "mjpeg"),
    "gif": partial(animated, "GIF", LEVELS),
    "png": partial(animated, "PNG", LEVELS),
    "webp": partial(animated, "WEBP", LEVELS),
}


@every_length
@pytest.mark.parametrize("make", SEEDS.values(), ids=SEEDS)
def test_damage(tmp_path: Path, make: Callable[[], bytes], examples: int) -> None:
    path, content = tmp_path / "video", make()

    def frames(changes: list[Edit]) -> int:
        path.write_bytes(damaged(content, changes))
        found, slowest, began = 0, 0.0, time.process_time()
        try:
            for sighting in sqznet.watch(path, model=Levels()):
                assert sighting.picture.height > 0
                assert sighting.time == sighting.time
                found += 1
                taken = time.process_time() - began
                slowest, began = max(slowest, taken), began + taken
                if found > MOST_FRAMES:
                    break
        except SqznetError as error:
            check_message(str(error))
        assert max(slowest, time.process_time() - began) < SECONDS
        return found

    assert frames([]) == len(LEVELS)
    outcomes = set()
    # Opening a video takes longer than reading most other files.
    most = examples if examples < 100 else examples // 4
    fuzz(lambda changes: outcomes.add(frames(changes)), edits(content), most)
    assert len(outcomes) > 1
