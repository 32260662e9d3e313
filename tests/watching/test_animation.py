"""Animated GIF, PNG and WebP files: every frame once, at its time."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sqznet
from sqznet import Sighting, SqznetError

from ..support.watching import RAMP, Levels, animated, brightness, check_ramp, flat, watched

ANIMATIONS = {"a.gif": "GIF", "a.png": "PNG", "a.apng": "PNG", "a.webp": "WEBP"}


@pytest.mark.parametrize("name", ANIMATIONS)
def test_an_animation(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_bytes(animated(ANIMATIONS[name]))
    seen = watched(path)
    assert all(s.picture.to_rgb().shape == (24, 32, 3) for s in seen)
    check_ramp(seen)
    assert [s.time for s in watched(path, every=5)] == pytest.approx([0, 0.5, 1, 1.5])
    monkeypatch.setitem(sys.modules, "av", None)
    assert len(watched(path)) == 20


def test_the_times_of_an_animation(tmp_path: Path) -> None:
    durations = [50 + 10 * i for i in range(20)]
    for name, format in (("a.png", "PNG"), ("a.webp", "WEBP"), ("a.gif", "GIF")):
        path = tmp_path / name
        path.write_bytes(animated(format, duration=durations))
        expected = np.cumsum([0, *durations[:-1]]) / 1000
        assert [s.time for s in watched(path)] == pytest.approx(list(expected))
    # As browsers do it: nobody means that.
    path.write_bytes(animated("GIF", duration=0))
    assert [s.time for s in watched(path)] == pytest.approx([i / 10 for i in range(20)])


def test_the_image_for_programs_without_animation_is_not_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(animated("PNG", default_image=True))
    assert brightness(watched(path)) == RAMP[1:]


def test_a_still_image_is_one_frame(tmp_path: Path) -> None:
    for name in ("a.gif", "a.png", "a.webp", "a.jpg", "a.bmp"):
        path = tmp_path / name
        Image.fromarray(flat(90)).save(path)
        assert brightness(watched(path)) == pytest.approx([90], abs=2)


@pytest.mark.parametrize("name", ANIMATIONS)
def test_an_animation_that_was_cut_short(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = animated(ANIMATIONS[name])
    path.write_bytes(content[: len(content) // 2])
    seen: list[Sighting] = []
    with pytest.raises(SqznetError, match=rf"{name}.*: (ends after|cannot be decoded)"):
        seen.extend(sqznet.watch(path, model=Levels()))
    assert len(seen) < 20
