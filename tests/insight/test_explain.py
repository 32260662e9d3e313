"""The explanation image: its layout for photos of every shape and labels of every length."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import sqznet
from sqznet.errors import ImageError, SqznetError
from sqznet.insight import painting
from sqznet.insight.explain import _GAP, _MARGIN, _PANEL, MAX_TOP, draw

from ..support import networks
from ..support.places import EXAMPLES

COFFEE = EXAMPLES / "coffee.jpg"
LONG = "a strong black coffee brewed by forcing steam through very finely ground coffee beans " * 5
ACCENT = (0xC2, 0x41, 0x7C)

Array = Any


@pytest.fixture(scope="module")
def model(coarse: Path) -> sqznet.Model:
    return sqznet.load(coarse, threads=1)


def column(pixels: Array, x: int) -> set[tuple[int, ...]]:
    return set(map(tuple, pixels[:, x].reshape(-1, 3).tolist()))


def assert_framed(picture: Image.Image) -> None:
    """Nothing is drawn in the margins or between photo and panel."""
    pixels = np.asarray(picture)
    white = np.full(3, 255)
    for edge in (pixels[:_MARGIN], pixels[-_MARGIN:], pixels[:, :_MARGIN], pixels[:, -_MARGIN:]):
        assert (edge == white).all()
    panel = picture.width - _MARGIN - _PANEL
    assert (pixels[:, panel - _GAP : panel] == white).all()


def bars(picture: Image.Image) -> Array:
    """For each row of the panel, how many pixels have the color of the explained class."""
    panel = np.asarray(picture)[:, -_MARGIN - _PANEL : -_MARGIN]
    return (panel == np.array(ACCENT)).all(axis=2).sum(axis=1)


@pytest.mark.usefixtures("draws_text")
def test_a_landscape(model: sqznet.Model) -> None:
    picture, box = draw(model, COFFEE)
    assert picture.mode == "RGB"
    assert picture.size == (2 * _MARGIN + 1000 + _GAP + _PANEL, 2 * _MARGIN + 667)
    assert_framed(picture)
    assert [box] == model.localize(COFFEE)
    assert box is not None
    assert bars(picture).max() == pytest.approx(box.score * _PANEL, abs=2)


@pytest.mark.parametrize(
    ("size", "top"),
    [
        ((1, 1), 1),
        ((24, 16), MAX_TOP),
        ((250, 400), MAX_TOP),
        ((1000, 100), 1),
        ((3000, 7), MAX_TOP),
        ((1, 900), 1),
    ],
)
@pytest.mark.usefixtures("draws_text")
def test_any_shape(small: Path, size: tuple[int, int], top: int) -> None:
    with Image.open(COFFEE) as photo:
        picture, _ = draw(sqznet.load(small), photo.resize(size), top=top)
    assert_framed(picture)
    assert picture.width <= 2 * _MARGIN + 1000 + _GAP + _PANEL
    assert picture.height <= 1000


@pytest.mark.usefixtures("draws_text")
def test_a_class_outside_the_top_gets_a_bar_too(model: sqznet.Model) -> None:
    two, _ = draw(model, COFFEE, top=2)
    with_cup, box = draw(model, COFFEE, "soup bowl", top=2)
    three, _ = draw(model, COFFEE, top=3)
    assert box is None or box.label == "soup bowl"
    panels = [np.asarray(each)[:, -_MARGIN - _PANEL : -_MARGIN] for each in (with_cup, three, two)]
    heights = [np.ptp(np.flatnonzero((panel != 255).any(axis=(1, 2)))) for panel in panels]
    assert heights[0] == pytest.approx(heights[1], abs=12)
    assert heights[1] > heights[2] + 40


@pytest.mark.parametrize(
    "label", [LONG, "x" * 5000, "Käse", "咖啡杯", "two\nlines\x1b", "", "\U0001f41f\u0301"]
)
@pytest.mark.usefixtures("draws_text")
def test_any_label_fits(tmp_path: Path, label: str) -> None:
    path = networks.save(tmp_path / "small.safetensors", networks.tensors())
    model = sqznet.load(path, threads=1, labels=[label] * 7)
    picture, _ = draw(model, networks.photo(1, 60, 24), top=2)
    assert_framed(picture)


@pytest.mark.usefixtures("draws_text")
def test_a_class_without_evidence_is_cold_and_has_no_box(tmp_path: Path) -> None:
    made = networks.tensors()
    made["classifier.1.weight"][2] = 0
    made["classifier.1.bias"][2] = -1
    model = sqznet.load(networks.save(tmp_path / "net.safetensors", made))
    picture, box = draw(model, networks.photo(), 2)
    assert box is None
    assert_framed(picture)


@pytest.mark.parametrize("top", [0, MAX_TOP + 1])
def test_other_numbers_of_bars_are_refused(model: sqznet.Model, top: int) -> None:
    with pytest.raises(SqznetError, match=f"top is {top}, expected 1 to {MAX_TOP}"):
        draw(model, COFFEE, top=top)


def test_an_unreadable_photo_is_refused(model: sqznet.Model, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.jpg: no such file"):
        draw(model, tmp_path / "absent.jpg")


@pytest.mark.parametrize("error", [ImportError("no FreeType"), TypeError("no argument size")])
def test_pillow_without_scalable_text(
    small: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    model = sqznet.load(small)

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(ImageFont, "load_default", fail)
    painting._font.cache_clear()
    with pytest.raises(SqznetError, match=r"Pillow 10\.1 or newer"):
        draw(model, COFFEE)
    assert model.heatmap(COFFEE)._repr_png_()


@pytest.mark.usefixtures("draws_text")
def test_the_example_in_the_docs_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = EXAMPLES.parent / "docs" / "explain.md"
    if not page.is_file():
        pytest.skip("the tests are not beside the docs")
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(EXAMPLES.parent)
    exec(example, {})
    assert re.match(r"Egyptian cat: columns \d+ to \d+, rows", capsys.readouterr().out)


# --- Drawing tools -----------------------------------------------------------------------------


def test_the_color_map_rises_evenly_in_lightness() -> None:
    colors = painting.heat_colors() / 255
    assert colors.shape == (256, 3)
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -1e-3).all()
    lightness = 116 * np.cbrt(luminance) - 16  # CIE L*
    assert lightness[0] < 20
    assert lightness[-1] > 85
    steps = np.diff(lightness[::15])
    assert steps.min() > 0.4 * steps.mean()
    assert steps.max() < 2 * steps.mean()


def test_heat_covers_hot_places_only() -> None:
    picture = np.full((4, 3, 3), 120, np.uint8)
    heat = np.zeros((4, 3), np.float32)
    heat[0] = 1
    painted = np.asarray(painting.overlay(picture, heat)).astype(int)
    assert painted[0, 0, 0] > painted[0, 0, 2] + 50
    assert len(set(painted[1, 0].tolist())) == 1
    assert painted[1, 0, 0] < 120


@pytest.mark.parametrize("text", ["", "cup", LONG, "x" * 999, "Käse auf Brot " * 30])
@pytest.mark.usefixtures("draws_text")
def test_text_fits(text: str) -> None:
    line = painting.elided(text, 23, 200)
    assert painting.length(line, 23) <= 200
    assert line == text or line.endswith("…")
    lines = painting.wrapped(text, 46, 520, 3)
    assert 1 <= len(lines) <= 3
    assert all(painting.length(line, 46) <= 520 for line in lines)
    assert " ".join(lines).removesuffix("…") == text[: len(" ".join(lines).removesuffix("…"))]


@pytest.mark.usefixtures("draws_text")
def test_missing_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painting, "_SYSTEM_FONTS", ("no such font.ttf",))
    assert painting.elided("Käse, señor, 杯!", 23, 500) == "Kase, senor, U+676F!"
    assert painting.elided("ねこ 고양이", 23, 500) == "neko goyangi"
    assert painting.elided("my \N{CAT FACE}\ufe0f", 23, 500) == "my (cat face)"
    assert "?" not in painting.elided("\u0378 \ue000 Ж \U0001f468\u200d\U0001f469", 23, 900)
    pen = ImageDraw.Draw(Image.new("L", (10, 10)))
    painting.write(pen, (0, 0), "é", 8, "white")


@pytest.mark.usefixtures("draws_text")
def test_only_what_no_font_has_is_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The font with most of the characters is used for the rest of the text."""
    shows = painting._shows
    monkeypatch.setattr(painting, "_SYSTEM_FONTS", ("DejaVuSans.ttf",))
    if painting._font("DejaVuSans.ttf", 20) is None or not shows(painting.face("Ж", 20), "Ж"):
        pytest.skip("DejaVu is not installed")
    assert painting.elided("Жук 杯", 23, 500) == "Жук U+676F"
