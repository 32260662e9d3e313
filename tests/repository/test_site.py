"""The documentation site: it builds without a warning, and loads nothing from other servers."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet.cli.main import COMMANDS

from ..support.places import ROOT
from ..support.tools import load_tool

pytest.importorskip("mkdocs", reason="nox -s docs builds the site")

pytestmark = pytest.mark.filterwarnings("default")  # those of MkDocs and its plugins


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


class Loaded(HTMLParser):
    """What a browser loads for a page, without a click."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        named = {name: value or "" for name, value in attrs}
        self.found += [named[name] for name in ("src", "srcset", "data", "poster") if name in named]
        if tag == "link" and named.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(named["href"])

    def of(self, page: Path) -> list[str]:
        self.feed(page.read_text(encoding="utf-8"))
        return self.found


def is_remote(address: str) -> bool:
    return bool(re.match(r"(\w+:)?//", address.strip()))


def test_pages_load_nothing_remote(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        loaded = Loaded().of(page)
        assert any("stylesheets/main" in name for name in loaded)
        assert not any(map(is_remote, loaded)), page
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        imported = re.findall(r"@import\s+[\"']([^\"']*)", text)
        assert not any(map(is_remote, re.findall(r"url\([\"']?([^\"')]*)", text) + imported)), sheet


def test_remote_addresses_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<a href="https://a.org"><img src="//b.org/c.png"><link href="http://d.org/e">')
    assert list(map(is_remote, Loaded().of(page))) == [True, True]


def test_every_page_is_in_the_navigation(site: Path) -> None:
    """MkDocs would only say so of those in docs/; --strict makes an error of it."""
    start = (site / "index.html").read_text(encoding="utf-8")
    for page in site.rglob("*.html"):
        name = page.relative_to(site).as_posix()
        assert f'href="{name}"' in start or name in ("index.html", "404.html"), name


def test_the_reference_is_complete(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text(encoding="utf-8")
    for name in sqznet.__all__:
        assert f'id="sqznet.{name}"' in page, name
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f'id="sqznet-{command}"' in page, command
    assert "--min-score" in page


def test_the_search_works_from_a_folder(site: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no chromium")
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "how-to" / "opencv.html").as_uri())
        page.click("input.md-search__input")
        page.keyboard.type("picamera2")
        page.wait_for_selector("a.md-search-result__link[href*='how-to/picamera2.html']")
        browser.close()
    assert not [address for address in asked if not address.startswith(("file:", "data:"))]


def test_links_lead_to_the_same_place_on_the_site() -> None:
    rewritten = load_tool("site_pages").rewritten
    text = "[a](docs/tour.md#part) [b](examples/coffee.jpg) [c](https://d.org/e.md) [f](NOTICE)"
    assert rewritten(text, "index.md") == (
        "[a](tour.md#part) [b](examples/coffee.jpg) [c](https://d.org/e.md) [f](notice.txt)"
    )
    text = "[a](../../README.md#install) [b](teach.md) [c](../images.md)"
    assert rewritten(text, "tutorials/docker.md") == (
        "[a](../index.md#install) [b](teach.md) [c](../images.md)"
    )


def test_arguments_become_a_list() -> None:
    listed = load_tool("site_docstrings").listed
    described = "``source``: a file,\nor a name.\n``top``, ``few`` (counts): how many."
    text = f"Loads.\n\n{described}\n\nRaises X."
    assert listed(text).split("\n") == [
        "Loads.", "", "", "- ``source``: a file,", "    or a name.",
        "- ``top``, ``few`` (counts): how many.", "", "Raises X.",
    ]  # fmt: skip
    assert listed("One line.\n\nText with a colon: none") == "One line.\n\nText with a colon: none"
