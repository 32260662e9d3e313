"""The page in a real browser, with a camera that is not real."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sqznet

from ..support.places import CHELSEA, COFFEE

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
served = pytest.importorskip("sqznet.serving.served", reason="the libraries of the server")

from sqznet.detection.loading import BUNDLED  # noqa: E402
from sqznet.serving.settings import Settings  # noqa: E402
from sqznet.serving.taught import taught  # noqa: E402

from ..support.serving import Running, running  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PHONE, DESKTOP = (390, 844), (1280, 900)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("taught") / "mine.sqz"


@pytest.fixture(scope="module")
def server(mine: Path) -> Iterator[Running]:
    model = sqznet.load()
    models = [served.Served("squeezenet1_1", model, 10**8), taught(mine, model, 10**8)]
    with running(models, Settings(taught=mine)) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as player:
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        found = player.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield found
        found.close()


@pytest.fixture
def open_page(browser: Any, server: Running) -> Iterator[Callable[..., Any]]:
    """Opens the page at a size, with the camera allowed or not; fails if it writes an error."""
    errors: list[str] = []
    contexts: list[Any] = []

    def opened(size: tuple[int, int] = DESKTOP, allow: bool = True, dark: bool = False) -> Any:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            permissions=["camera"] if allow else [],
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url)
        page.wait_for_selector("#model option", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def save_screen(page: Any, name: str) -> None:
    """Keeps a picture of the page in $SQZNET_SCREENS, to be looked at."""
    if folder := os.environ.get("SQZNET_SCREENS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def wait_for_answer(page: Any) -> None:
    playwright.expect(page.locator("#time")).to_have_text(re.compile(r"\d+ ms"))


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_photos_are_named(open_page: Callable[..., Any], size: tuple[int, int]) -> None:
    page = open_page(size)
    save_screen(page, f"empty-{size[0]}")
    page.set_input_files("#files", [CHELSEA, COFFEE])
    page.wait_for_selector("#strip li:nth-child(2)")
    assert page.inner_text("#labels li:first-child .name") == "espresso"
    assert page.inner_text("#strip li:nth-child(2)") == "Egyptian cat"
    save_screen(page, f"photo-{size[0]}")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size[0], "the page is wider than the screen"


def test_heat_is_shown_over_the_photo(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.check("#heat")
    page.set_input_files("#files", CHELSEA)
    page.wait_for_selector("#picture[src^='data:']")
    assert page.get_attribute("#picture", "alt") == "chelsea.jpg, with the heat of Egyptian cat"
    save_screen(page, "heat-1280")
    page.uncheck("#heat")
    page.wait_for_selector("#picture[src^='blob:']")


def test_animals_get_boxes(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.check("#find")
    page.set_input_files("#files", CHELSEA)
    playwright.expect(page.locator("#boxes li")).to_have_text([re.compile(r"^cat \d+ %$")])
    drawn, photo = page.locator("#boxes li").bounding_box(), page.locator("#picture").bounding_box()
    expected = BUNDLED().detect(CHELSEA)[0].box
    with Image.open(CHELSEA) as cat:
        scale = photo["width"] / cat.width
    assert drawn["x"] - photo["x"] == pytest.approx(scale * expected.x0, abs=4)
    assert drawn["width"] == pytest.approx(scale * (expected.x1 - expected.x0), abs=8)
    save_screen(page, "boxes-1280")


def test_the_camera_is_named_frame_by_frame(open_page: Callable[..., Any]) -> None:
    page = open_page(PHONE, dark=True)
    page.click("#camera")
    wait_for_answer(page)
    assert page.locator("#labels li").count() == 5
    assert page.evaluate("document.all.video.videoWidth") > 0
    save_screen(page, "camera-390-dark")
    page.click("#camera")
    page.wait_for_selector("#picture[src^='blob:']")
    assert page.get_attribute("#camera", "aria-pressed") == "false"


def test_a_refused_camera_is_told(open_page: Callable[..., Any]) -> None:
    page = open_page(PHONE, allow=False)
    page.click("#camera")
    page.wait_for_selector("#status.bad")
    assert page.inner_text("#status") == (
        "The browser refused the camera: allow it for this page and try again."
    )


def test_a_file_that_is_no_photo_is_told(open_page: Callable[..., Any], tmp_path: Path) -> None:
    page = open_page()
    page.set_input_files("#files", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"hello"})
    page.wait_for_selector("#status.bad")
    assert "no image format that Pillow reads" in page.inner_text("#status")


def test_classes_are_taught_by_keyboard_and_saved(
    open_page: Callable[..., Any], mine: Path
) -> None:
    page = open_page()
    for photo, label in ((COFFEE, "cup"), (CHELSEA, "cat")):
        page.set_input_files("#files", photo)
        wait_for_answer(page)
        page.focus("#label")
        page.keyboard.press("Control+a")
        page.keyboard.type(label)
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#taught")).to_contain_text(label)
    page.keyboard.press("Tab")  # to "Teach this photo"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#taught")).to_have_text("Saved: 2 photos of cup, cat.")
    assert sqznet.load(mine).labels == ("cup", "cat")
    page.select_option("#model", "mine")
    playwright.expect(page.locator("#labels .name")).to_have_text(["cat", "cup"])
    save_screen(page, "taught-1280")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_texts_stand_out(open_page: Callable[..., Any], dark: bool) -> None:
    page = open_page(dark=dark)
    page.set_input_files("#files", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"hello"})
    page.wait_for_selector("#status.bad")
    page.set_input_files("#files", COFFEE)
    wait_for_answer(page)
    faint = page.evaluate(CONTRASTS)
    assert len(faint) > 20
    assert {text: ratio for text, ratio in faint if ratio < 4.5} == {}


# The contrast of every text with what is behind it, as WCAG 2.2 defines it (1.4.3: at least 4.5).
CONTRASTS = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (level) => {
    const share = level / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const light = (color) => {
    const [r, g, b] = numbers(color).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    const color = getComputedStyle(one).backgroundColor;
    return numbers(color)[3] === 0 && one.parentElement ? behind(one.parentElement) : color;
  };
  const found = [];
  for (const one of document.body.querySelectorAll("*")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility()) continue;
    const levels = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
    found.push([one.textContent.trim(), (levels[0] + 0.05) / (levels[1] + 0.05)]);
  }
  return found;
}"""


def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    open_page: Callable[..., Any],
) -> None:
    page = open_page()
    page.set_input_files("#files", COFFEE)
    page.wait_for_selector("#strip button")
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        ringed = page.evaluate(
            """[document.activeElement, document.activeElement.previousElementSibling].some(
              (one) => one && getComputedStyle(one).outlineStyle === "solid"
            )"""
        )
        assert ringed, reached[-1]
    buttons = ["files", "camera", "heat", "find"]
    assert reached[:8] == ["model", *buttons, "label", reached[6], "save"]
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#labels .name").first).to_have_text("espresso")


def test_every_control_has_a_name(open_page: Callable[..., Any]) -> None:
    page = open_page()
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, textarea")].filter(
          (one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel)
        ).map((one) => one.outerHTML)"""
    )
    assert nameless == []
