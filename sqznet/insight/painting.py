"""Drawing tools: heat map colors, photos with heat maps, rounded bars and text.

Pillow draws everything. Text uses the font that comes with Pillow, which covers ASCII; other
characters need a common system font.
"""

from __future__ import annotations

import io
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqznet.errors import SqznetError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
    from PIL import Image, ImageDraw

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

Rectangle = tuple[int, int, int, int]
Color = str | tuple[int, int, int]

#: The colors of what is drawn around photos: background, text, and text of less weight.
PAPER, INK, FAINT = "#ffffff", "#1c2128", "#6b7480"
#: The colors of right and wrong answers.
RIGHT, WRONG = (24, 111, 101), (194, 65, 124)
#: The room around what is drawn, and the heights of a title and of the note below it.
MARGIN, TITLE, NOTE = 48, 34, 20
#: From the upper edge of a picture to what comes below its title and note.
HEAD = MARGIN + round(2.6 * TITLE)

# Shapes are drawn this many times larger and then reduced, which smooths their edges.
_SMOOTH = 4

# Pillow searches them in the font folders of the system: first those of alphabets, then those of
# Chinese, Japanese and Korean, then those of symbols, which draw emoji in one color.
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallback.ttf",
    "Arial Unicode.ttf",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "NotoEmoji-Regular.ttf",
    "Symbola.ttf",
    "seguiemj.ttf",
)
_NO_LETTER = "\uffff"  # never a character: shows how a font draws a missing glyph
_JOINER = "\u200d"  # between emoji that make one
_LONGEST = 300  # characters; no text that is drawn is longer
_PROBE = 20  # the size does not matter for finding glyphs


@lru_cache(maxsize=1)
def heat_colors() -> Bytes:
    """uint8 (256, 3): the color map of 0 to 1, from deep violet through red to pale yellow.

    In Oklab, where equal steps look equal (Björn Ottosson, "A perceptual color space for image
    processing", 2020), lightness rises evenly and the hue takes the shorter way.
    """
    import numpy as np

    t = np.linspace(0, 1, 256)
    lightness = 0.24 + 0.70 * t
    chroma = np.interp(t, [0, 0.5, 1], [0.13, 0.20, 0.11])
    hue = np.radians(-65 + 165 * t)
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    lms = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_rgb @ lms**3, 0, 1).T
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colors: Bytes = np.rint(255 * srgb).astype(np.uint8)
    return colors


def reduced(photo: Bytes, side: int) -> Bytes:
    """A photo, uint8 (H, W, 3), reduced so that no side is longer than ``side``."""
    import numpy as np
    from PIL import Image

    height, width = photo.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return photo
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.array(Image.fromarray(photo).resize(size, _filter("LANCZOS"), reducing_gap=2.0))


def resized_heat(heat: Floats, height: int, width: int) -> Floats:
    import numpy as np
    from PIL import Image

    plain = np.ascontiguousarray(heat, np.float32)
    return np.asarray(Image.fromarray(plain).resize((width, height), _filter("BILINEAR")))


def overlay(picture: Bytes, heat: Floats) -> Image.Image:
    """Draws heat (H, W) in 0..1 over a picture, uint8 (H, W, 3): cold places are grayer and darker;
    hot places are mostly covered by the color of the heat."""
    import numpy as np
    from PIL import Image

    shades = picture.astype(np.float32)
    gray = shades @ np.array([0.299, 0.587, 0.114], np.float32)
    under = 0.74 * (0.5 * shades + 0.5 * gray[:, :, None])
    clear = np.clip(heat, 0, 1)[:, :, None]
    colors = heat_colors()[np.rint(255 * clear[:, :, 0]).astype(np.uint8)]
    under += clear * (shades - under)
    cover = 0.7 * clear**0.7
    mixed = under + cover * (colors - under)
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def as_png(picture: Image.Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


# --- Shapes and text ---------------------------------------------------------------------------


def rounded_mask(width: int, height: int, radius: int) -> Image.Image:
    """A filled rectangle with rounded corners as an image of mode L."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (width, height), 255)
    radius = min(radius, width // 2, height // 2)
    if radius < 1:
        return mask
    last = 2 * radius * _SMOOTH - 1
    disc = Image.new("L", (last + 1, last + 1))
    ImageDraw.Draw(disc).ellipse((0, 0, last, last), fill=255)
    disc = disc.resize((2 * radius, 2 * radius), _filter("BOX"))
    for x, left in ((0, 0), (radius, width - radius)):
        for y, top in ((0, 0), (radius, height - radius)):
            mask.paste(disc.crop((x, y, x + radius, y + radius)), (left, top))
    return mask


def fill_rounded(canvas: Image.Image, box: Rectangle, radius: int, color: str) -> None:
    x0, y0, x1, y1 = box
    canvas.paste(color, box, rounded_mask(x1 - x0, y1 - y0, radius))


def face(text: str, size: int) -> Any:
    """A font with all characters of a text: Pillow's own or the first suitable system font;
    Pillow's own if there is none. Raises SqznetError if this Pillow cannot draw text."""
    own = _font(None, size)
    if text.isascii():
        return own
    for name in (None, *_SYSTEM_FONTS):
        found = _font(name, size)
        if found is not None and _shows(found, text):
            return found
    return own


def length(text: str, size: int) -> int:
    """The width of a line in pixels."""
    width: float = face(text, size).getlength(text)
    return round(width)


def write(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    color: Color,
    anchor: str = "la",
) -> None:
    """Draws one line; `anchor`, as in Pillow, is the point of the text that is placed at `at`: its
    side, l, m or r, then a, the top, or m, the middle. Lines in other fonts have the same baseline.
    """
    ascent, descent = _font(None, size).getmetrics()
    drop = ascent if anchor[1] == "a" else (ascent - descent) / 2
    font = face(text, size)
    pen.text((at[0], at[1] + drop), text, fill=color, font=font, anchor=f"{anchor[0]}s")


def write_head(pen: ImageDraw.ImageDraw, title: str, note: str) -> None:
    """Writes the title of a picture and a note below it, above `HEAD`."""
    write(pen, (MARGIN, MARGIN - 8), title, TITLE, INK)
    write(pen, (MARGIN, MARGIN + round(1.15 * TITLE)), note, NOTE, FAINT)


def head_width(title: str, note: str) -> int:
    """The pixels that a picture with this title and note has in width, at least."""
    return max(length(title, TITLE), length(note, NOTE)) + 2 * MARGIN


def elided(text: str, size: int, width: int) -> str:
    """The text, with replacements for missing glyphs; cut with an ellipsis if it is too long."""
    text = _legible(text)
    font = face(text, size)
    if font.getlength(text) <= width:
        return text
    counts = range(1, len(text) + 1)
    kept = bisect_right(counts, width, key=lambda count: font.getlength(text[:count] + "…"))
    return text[:kept].rstrip() + "…"


def wrapped(text: str, size: int, width: int, lines: int) -> list[str]:
    """The text in at most this many lines; a line that is still too long is elided."""
    words = _legible(text).split(" ")
    made: list[str] = []
    while words and len(made) < lines - 1:
        line = words.pop(0)
        while words and length(f"{line} {words[0]}", size) <= width:
            line += f" {words.pop(0)}"
        made.append(elided(line, size, width))
    return [*made, elided(" ".join(words), size, width)] if words else made


def _legible(text: str) -> str:
    """The beginning of a text on one line. If no font has all its characters, the one with most of
    them is used, and the others are spelled."""
    text = printable(text[:_LONGEST].replace(_JOINER, ""))
    if _shows(face(text, _PROBE), text):
        return text
    fonts = [font for name in (None, *_SYSTEM_FONTS) if (font := _font(name, _PROBE)) is not None]
    best = max(fonts, key=lambda font: sum(_shows(font, c) for c in text))
    return "".join(c if _shows(best, c) else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    """A character in ASCII: without its accents; a syllable of kana or Hangul or an emoji by its
    name in Unicode; any other by its number."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if c.isascii())
    if plain or unicodedata.category(character) in ("Mn", "Me"):  # of an emoji: its style
        return plain
    name = unicodedata.name(character, "")
    if name.startswith(("HIRAGANA LETTER", "KATAKANA LETTER", "HANGUL SYLLABLE")):
        return name.rpartition(" ")[2].lower()
    if unicodedata.category(character) == "So":
        return f"({name.lower()})"
    return f"U+{ord(character):04X}"


@lru_cache(maxsize=64)
def _font(name: str | None, size: int) -> Any:
    """The system font with this file name, None if it is missing; Pillow's own font for None."""
    import PIL
    from PIL import ImageFont

    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size=size)
    except OSError:
        return None
    except (ImportError, TypeError):
        raise SqznetError(
            "drawing text needs Pillow 10.1 or newer, built with FreeType; "
            f"found {PIL.__version__}: pip install -U pillow"
        ) from None


def _shows(font: Any, text: str) -> bool:
    return all(_has(font, c) for c in set(text) if not c.isspace())


@lru_cache(maxsize=4096)
def _has(font: Any, character: str) -> bool:
    return bytes(font.getmask(character)) != bytes(font.getmask(_NO_LETTER))


def legend_columns(width: int) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """The color map from left to right: (column, color)."""
    colors = heat_colors()
    for x in range(width):
        red, green, blue = colors[x * 255 // max(1, width - 1)].tolist()
        yield x, (red, green, blue)


def _filter(name: str) -> Any:
    from PIL import Image

    return Image.Resampling[name]
