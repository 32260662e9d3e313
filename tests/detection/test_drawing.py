"""Boxes drawn into photos: their places, colors and chips."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sqznet.boxes import Box, Detection
from sqznet.detection import drawing
from sqznet.insight import painting

pytestmark = pytest.mark.usefixtures("draws_text")

GRAY = (119, 119, 119)


def thing(
    x0: float, y0: float, x1: float, y1: float, label: str = "person", index: int = 0
) -> Detection:
    return Detection(label, 0.93, index, Box(x0, y0, x1, y1, label, 0.93))


def crowd(count: int, width: int, height: int) -> list[Detection]:
    some = random.Random(3)
    corners = [(some.uniform(-20, width), some.uniform(-20, height)) for _ in range(count)]
    return [
        thing(x, y, x + some.uniform(1, width / 3), y + some.uniform(1, height / 3), index=i % 6)
        for i, (x, y) in enumerate(corners)
    ]


@pytest.fixture
def chips(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The places of the chips that are drawn."""
    places: list[Any] = []
    fill = painting.fill_rounded

    def recorded(canvas: Any, box: Any, radius: int, color: str) -> None:
        places.append(box)
        fill(canvas, box, radius, color)

    monkeypatch.setattr(painting, "fill_rounded", recorded)
    return places


def test_a_box_has_the_color_of_its_class() -> None:
    photo = Image.new("RGB", (300, 200), GRAY)
    drawn = drawing.draw(photo, [thing(50, 60, 150, 160), thing(200, 60, 280, 160, "cat", 1)])
    assert drawn.size == photo.size
    assert photo.getcolors() == [(300 * 200, GRAY)]  # it stays as it was
    for x, index in ((50, 0), (149, 0), (200, 1), (279, 1)):
        found = "#{:02x}{:02x}{:02x}".format(*drawn.getpixel((x, 120)))
        assert found == drawing.color_of(index)
    assert drawn.getpixel((100, 120)) == drawn.getpixel((10, 10)) == GRAY  # inside, outside


def test_colors_stay_apart_and_repeat() -> None:
    assert len(set(drawing.COLORS)) == len(drawing.COLORS) == 7
    assert drawing.color_of(7) == drawing.color_of(0)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (120, 90), (3000, 60), (40, 2000)])
@pytest.mark.parametrize("count", [1, 12, 100])
def test_no_chip_covers_another_or_leaves_the_photo(
    chips: list[Any], width: int, height: int, count: int
) -> None:
    drawing.draw(Image.new("RGB", (width, height), GRAY), crowd(count, width, height))
    assert len(chips) <= count
    for x0, y0, x1, y1 in chips:
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
    for one, other in combinations(chips, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_few_boxes_all_have_their_chips_and_hide_nothing(chips: list[Any]) -> None:
    row = [thing(20 + 70 * i, 100, 80 + 70 * i, 200) for i in range(8)]
    drawing.draw(Image.new("RGB", (640, 400), GRAY), row)
    assert len(chips) == 8
    below = thing(10, 62, 100, 98)  # where the chip of the first would be
    chips.clear()
    drawing.draw(Image.new("RGB", (640, 400), GRAY), [thing(10, 100, 300, 300), below])
    first, _ = chips
    assert first[0] >= 100 or first[1] >= 98


def test_text_and_lines_grow_with_the_photo(chips: list[Any]) -> None:
    for side in (500, 2000):
        drawing.draw(Image.new("RGB", (side, side)), [thing(10, side / 2, side / 2, side - 1)])
    small, large = ((x1 - x0, y1 - y0) for x0, y0, x1, y1 in chips)
    assert large[0] == pytest.approx(4 * small[0], rel=0.1)
    assert large[1] == pytest.approx(4 * small[1], rel=0.1)


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (19, 19)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_photos_without_room_for_text_have_boxes_alone(
    chips: list[Any], size: tuple[int, int], mode: str
) -> None:
    drawn = drawing.draw(Image.new(mode, size), [thing(-5, -5, 900, 900), thing(0, 0, 0.2, 0.1)])
    assert (drawn.mode, drawn.size) == ("RGB", size)
    assert all(x1 - x0 <= size[0] for x0, _, x1, _ in chips)
    assert np.asarray(drawn).any()


def test_names_replace_labels_and_may_be_in_any_script(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = painting.write

    def recorded(pen: Any, at: Any, text: str, *rest: Any) -> None:
        written.append(text)
        write(pen, at, text, *rest)

    monkeypatch.setattr(painting, "write", recorded)
    photo = Image.new("RGB", (640, 480))
    things = [thing(10, 100, 200, 200), thing(300, 100, 500, 300), thing(10, 300, 200, 400)]
    drawing.draw(photo, things[:1])
    drawing.draw(photo, things, ["person 3", "人物\n\x1b[31m 🐕", "much too long " * 30])
    assert written[:2] == ["person 93 %", "person 3"]
    assert len(written) == 4
    assert not any(c in "".join(written) for c in "\n\x1b")
    assert written[3].endswith("…")
    with pytest.raises(ValueError, match="zip"):
        drawing.draw(photo, things, ["only one"])


@pytest.mark.parametrize("color", drawing.COLORS)
def test_text_is_readable_on_each_color(color: str) -> None:
    """A contrast of at least 4.5, as WCAG 2.1 asks of text (criterion 1.4.3)."""
    photo = Image.new("RGB", (400, 300), GRAY)
    index = drawing.COLORS.index(color)
    drawn = np.asarray(drawing.draw(photo, [thing(50, 100, 200, 200, index=index)]))
    chip = drawn[80:99, 52:110].reshape(-1, 3).astype(float) / 255
    linear = np.where(chip <= 0.04045, chip / 12.92, ((chip + 0.055) / 1.055) ** 2.4)
    light = linear @ [0.2126, 0.7152, 0.0722]
    assert (light.max() + 0.05) / (light.min() + 0.05) >= 4.5
