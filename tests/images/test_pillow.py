"""Pillow's warnings: hidden while an image is decoded, and nobody else's."""

from __future__ import annotations

import io
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sqznet.images.decoding import decode

from ..support.isolated import run_script
from ..support.tiff_files import tiff

# A tag with more values than it may have: Pillow warns, and the pixels are sound.
NOISY = tiff(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), tags={256: (4, 4), 305: (1, 2)})


class Slow(io.BytesIO):
    """A file that stops while it is read, until it is told to go on."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.begun, self.go = threading.Event(), threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun.set()
        assert self.go.wait(30)
        return super().read(size)


@pytest.fixture
def decoding() -> Any:
    """Another thread, in the middle of decoding an image."""
    file = Slow(NOISY)
    thread = threading.Thread(target=decode, args=(file,))
    thread.start()
    assert file.begun.wait(30)
    yield thread
    file.go.set()
    thread.join()


def palette_image() -> Image.Image:
    """Converting it makes Pillow warn."""
    image = Image.new("P", (4, 4))
    image.info["transparency"] = bytes(range(256))
    return image


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_pillow_warns_about_these() -> None:
    with pytest.warns(UserWarning, match="Transparency"):
        palette_image().convert("RGB")
    with pytest.warns(UserWarning, match="Metadata Warning"):
        Image.open(io.BytesIO(NOISY)).load()


@pytest.mark.parametrize("action", ["error", "always"])
def test_decoding_is_silent_whatever_the_filters_are(action: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action)
        assert decode(NOISY).width == 4
        assert decode(palette_image()).width == 4
    assert caught == []


def test_other_threads_get_their_warnings(decoding: threading.Thread) -> None:
    with pytest.warns(UserWarning, match="Transparency") as caught:
        palette_image().convert("RGB")
    assert caught[0].filename.replace("\\", "/").endswith("PIL/Image.py")  # as without sqznet
    with pytest.warns(UserWarning, match="mine"):
        exec(
            compile("import warnings; warnings.warn('mine')", "x", "exec"), {"__name__": "PIL.own"}
        )


def test_filters_stay_as_they_are(decoding: threading.Thread) -> None:
    before = list(warnings.filters)
    shown = warnings.showwarning
    assert decode(NOISY).width == 4
    assert (list(warnings.filters), warnings.showwarning) == (before, shown)


def test_a_filter_set_meanwhile_stays() -> None:
    file = Slow(NOISY)
    thread = threading.Thread(target=decode, args=(file,))
    with warnings.catch_warnings():
        thread.start()
        assert file.begun.wait(30)
        warnings.filterwarnings("ignore", message="set meanwhile")
        file.go.set()
        thread.join()
        warnings.warn("set meanwhile", stacklevel=1)


def test_the_first_image_of_a_process_is_silent_too() -> None:
    run_script(
        """
        import sys, warnings
        warnings.simplefilter("error")
        from sqznet.images.decoding import decode
        assert decode(bytes.fromhex(sys.argv[1])).width == 4
        from PIL import Image
        Image.init()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Image.open(__import__("io").BytesIO(bytes.fromhex(sys.argv[1]))).load()
        assert caught
        """,
        NOISY.hex(),
    )


def test_a_large_blank_image_is_read_without_warning() -> None:
    side = 9_600  # above the limit of Pillow's warning
    data = png(Image.new("1", (side, side)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert decode(data).width == side
    assert not caught


def test_warning_filters_survive_overlapping_threads() -> None:
    data = png(palette_image())
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode(data) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
