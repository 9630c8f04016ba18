"""A picture with its result drawn over it."""

from __future__ import annotations

import io
import threading

from PIL import Image

from stream.annotation.overlay import OverlayPainter
from stream.incidents.incident import Picture

QUALITY = 88
_drawing = threading.Lock()
"""One picture is drawn at a time, so that requests for many take one core at most."""


def with_overlay(picture: Picture) -> bytes:
    """Return the JPEG with people, parts and actions drawn over it. Takes some ten ms.

    Raises OSError if the JPEG is damaged, ValueError without a result.
    """
    if picture.result is None:
        raise ValueError("the picture has no result")
    with _drawing:
        with Image.open(io.BytesIO(picture.jpeg), formats=["JPEG"]) as opened:
            shown = opened.convert("RGB")
        layer = OverlayPainter(shown.size).paint(picture.result)
        shown.paste(layer, (0, 0), layer)
        drawn = io.BytesIO()
        shown.save(drawn, "JPEG", quality=QUALITY)
    return drawn.getvalue()
