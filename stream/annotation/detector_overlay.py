"""Drawing what the detector looked at: its regions, and which of the four kinds of look it was.

A look is shown for a while and then fades, because the frames after it are often skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from PIL import ImageDraw

from stages.looks import LookKind
from stream.annotation.label_placement import Rect
from stream.pictures.drawing import INK, PAPER, font, text_width
from stream.results import Box, Frame

FRESH_US, FADED_US = 350_000, 800_000
"""A look is drawn at full strength until the first age and has faded at the second, in media time. The engine looks at
three frames a second at least, unless it is configured otherwise."""

KINDS: tuple[LookKind, ...] = get_args(LookKind)
TEXTS: dict[LookKind, str] = {"whole": "whole picture", "nothing": "nothing moves", "skipped": "skipped"}
PLATE_ALPHA = 217
UNLIT = 0.4
"""Opacity of the name of a look that was not used recently."""


class DetectorOverlay:
    """Draws the looks of one epoch. `add` takes each result before it is drawn, in order."""

    def __init__(self) -> None:
        self._seen_us: dict[LookKind, int] = {}
        """Media time of the last look of each kind."""
        self._regions: list[Box] = []

    def add(self, frame: Frame) -> None:
        """Note what was looked at in a frame."""
        self._seen_us[frame.look] = frame.media_time_us
        if frame.look == "regions":
            self._regions = frame.regions

    def strength(self, kind: LookKind, media_us: int) -> float:
        """Return how strongly a kind of look is drawn, 0 to 1."""
        seen_us = self._seen_us.get(kind)
        if seen_us is None:
            return 0.0
        return min(1.0, max(0.0, (FADED_US - (media_us - seen_us)) / (FADED_US - FRESH_US)))

    def draw(
        self,
        draw: ImageDraw.ImageDraw,
        media_us: int,
        size: tuple[int, int],
        scale: float,
        on_layer: Callable[[Sequence[float]], Rect],
    ) -> Rect:
        """Draw the looks on a layer of `size` (width, height), and return the place of the text.

        `on_layer` converts a box of the results.
        """
        regions = [on_layer(box) for box in self._regions] if self.strength("regions", media_us) else []
        for box in regions:
            _outline(draw, box, self.strength("regions", media_us), scale)
        edge = round(2 * scale)
        _outline(draw, (edge, edge, size[0] - 1 - edge, size[1] - 1 - edge), self.strength("whole", media_us), scale)
        count = "regions" if not regions else "1 region" if len(regions) == 1 else f"{len(regions)} regions"
        texts = {**TEXTS, "regions": count}
        return _texts(draw, [(texts[kind], self.strength(kind, media_us)) for kind in KINDS], size[0], scale)


def _outline(draw: ImageDraw.ImageDraw, box: Rect, strength: float, scale: float) -> None:
    """Draw a thin line, light between dark ones, so that it shows on any picture."""
    thin = max(1, round(scale))
    for out, colour, alpha in ((thin, INK, 115), (-thin, INK, 115), (0, PAPER, 230)):
        x1, y1, x2, y2 = box[0] - out, box[1] - out, box[2] + out, box[3] + out
        if x2 > x1 and y2 > y1:
            draw.rectangle((x1, y1, x2, y2), outline=(*colour, round(alpha * strength)), width=thin)


def _texts(draw: ImageDraw.ImageDraw, texts: Sequence[tuple[str, float]], width: int, scale: float) -> Rect:
    """Write the texts in the upper right corner, each as bright as it is strong (0 to 1)."""
    size, pad, gap = round(13 * scale), round(7 * scale), round(12 * scale)
    widths = [text_width(text, size) for text, _ in texts]
    plate_width, height = sum(widths) + gap * (len(texts) - 1) + 2 * pad, 1.7 * size
    left, top = width - plate_width - pad, float(pad)
    plate = (left, top, left + plate_width, top + height)
    draw.rounded_rectangle(plate, round(4 * scale), (*INK, PLATE_ALPHA))
    at = left + pad
    for (text, strength), text_length in zip(texts, widths, strict=True):
        light = UNLIT + (1 - UNLIT) * strength
        colour = tuple(round(ink + light * (paper - ink)) for ink, paper in zip(INK, PAPER, strict=True))
        draw.text((at, top + height / 2), text, colour, font(size), anchor="lm")
        at += text_length + gap
    return plate
