"""Text in annotated pictures."""

from __future__ import annotations

from functools import lru_cache

from PIL import ImageFont

LONGEST_TEXT = 60
"""Most characters that a picture shows of a text from a message."""


def shortened(text: str, most: int = LONGEST_TEXT) -> str:
    """Return a text from a message as one line of at most `most` characters, which can be drawn."""
    line = "".join(one if one.isprintable() else "\ufffd" for one in text[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's default font at a size in pixels."""
    made = ImageFont.load_default(size)
    if not isinstance(made, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType and can't draw readable text: install the wheel")
    return made


@lru_cache(maxsize=4096)
def text_width(text: str, size: int) -> float:
    """Return the width of a line of text in pixels."""
    return font(size).getlength(text)
