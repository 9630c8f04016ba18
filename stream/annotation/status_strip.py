"""The strip below an annotated picture: camera, time and clock, model, distance of the result, and the colours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property

from PIL import Image, ImageDraw

from stream.pictures.drawing import INK, MUTED, PAPER, WARNING, Colour, font, relevance_colour, shortened, text_width
from stream.results import Frame

CLOCKS = {"rtcp": "camera's clock", "arrival": "arrival time", "media": "media time"}
SHOWN_DISTANCE_S = 0.05
FARTHEST_S = 86_400.0
"""Farther from a picture, a result says nothing about the picture's time."""


class StatusStrip:
    """Draws strips of one width. `height` is an even number of pixels, as video requires."""

    def __init__(self, width: int) -> None:
        self.width = width
        scale = min(2.0, max(0.6, width / 1152))
        self.height = round(18 * scale) * 2
        self._size = round(14 * scale)
        self._pad = round(12 * scale)

    def draw(self, frame: Frame | None, picture_s: float, after_s: float = 0.0, *, drawn: bool = True) -> Image.Image:
        """Return the strip for one picture, RGB. `frame`: the nearest result, drawn or not.

        `after_s`: the time from the result's picture to this one, negative if the result is of a later picture.
        """
        strip = self._empty.copy()
        draw = ImageDraw.Draw(strip)
        room = self.width - self._legend_width() - 2 * self._pad
        at = float(self._pad)
        for text, colour in self._texts(frame, picture_s, after_s, drawn):
            width = text_width(text, self._size)
            if at + width > room:
                break
            draw.text((at, self.height / 2), text, colour, font(self._size), anchor="lm")
            at += width + 1.5 * self._pad
        return strip

    def _texts(
        self, frame: Frame | None, picture_s: float, after_s: float = 0.0, drawn: bool = True
    ) -> list[tuple[str, Colour]]:
        """Return the texts by importance; those that do not fit are left out from the end."""
        at = f"{int(picture_s // 60)}:{picture_s % 60:04.1f}"
        if frame is None:
            return [(at, PAPER), ("no result", MUTED)]
        texts = [(shortened(frame.camera), PAPER), (at, PAPER)]
        if not frame.model.trained:
            texts.append(("untrained model: labels are meaningless", WARNING))
        if abs(after_s) <= FARTHEST_S:
            captured = datetime.fromtimestamp(frame.capture_us / 1e6, UTC) + timedelta(seconds=after_s)
            texts.append(
                (f"{captured:%Y-%m-%d %H:%M:%S}.{captured.microsecond // 100_000} UTC, {CLOCKS[frame.clock]}", MUTED)
            )
        if frame.model.trained:
            texts.append((f"model {shortened(frame.model.profile)}", MUTED))
        if not drawn:
            texts.append(("not analysed", MUTED))
        elif abs(after_s) >= SHOWN_DISTANCE_S:
            order = "earlier" if after_s > 0 else "later"
            texts.append((f"result of {1000 * abs(after_s):.0f} ms {order}", MUTED))
        return texts

    def _legend_width(self) -> float:
        return (
            text_width("part's relevance  0", self._size) + self._ramp_width() + text_width("1", self._size) + self._pad
        )

    def _ramp_width(self) -> int:
        return 8 * self._size

    @cached_property
    def _empty(self) -> Image.Image:
        """The strip with only the legend."""
        strip = Image.new("RGB", (self.width, self.height), INK)
        draw = ImageDraw.Draw(strip)
        middle, ramp = self.height / 2, self._ramp_width()
        right = self.width - self._pad
        draw.text((right, middle), "1", MUTED, font(self._size), anchor="rm")
        start = right - text_width("1", self._size) - self._pad / 2 - ramp
        thick = self._size * 0.35
        for step in range(ramp):
            x = start + step
            draw.line((x, middle - thick, x, middle + thick), relevance_colour(round(step / (ramp - 1), 2)))
        draw.text((start - self._pad / 2, middle), "part's relevance  0", MUTED, font(self._size), anchor="rm")
        return strip
