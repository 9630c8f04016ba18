"""Pictures drawn from results alone: people as skeletons with their boxes, over grey or an approved background."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import av
import numpy as np
from PIL import Image, ImageDraw

from ring_buffers.frames import SlotFormat
from stream.pictures.drawing import INK, PAPER, Colour, font, relevance_colour, shortened, text_width, track_colour
from stream.privacy.figures import Figure, disc
from stream.results import Frame, Person

WIDEST = 1280
"""Longest side of a drawing, pixels."""
WIDEST_VIDEO = 960
"""The same in video, which has many of them."""
GREY: Colour = (52, 57, 65)
RELEVANT = 0.3
"""Relevance from which a part is drawn in its relevance's colour."""

Background = Callable[[tuple[int, int]], Image.Image | None]
"""Returns the background at this size (width, height), not to be changed; None for grey."""


class DrawnPicture:
    """The drawing of one result, made at the first use of `frame`."""

    def __init__(
        self,
        result: Frame,
        background: Background = lambda size: None,
        *,
        widest: int = WIDEST,
        labelled: bool = False,
    ) -> None:
        """`labelled`: whether actions, camera and time are written on it."""
        self._result = result
        self._background = background
        self._labelled = labelled
        width, height = result.size
        self._scale = min(1.0, widest / max(width, height, 1))
        size = max(1, round(width * self._scale)), max(1, round(height * self._scale))
        self.format = SlotFormat("rgb24", size, size)
        self._frame: av.VideoFrame | None = None

    @property
    def frame(self) -> av.VideoFrame:
        """The drawing, rgb24."""
        if self._frame is None:
            self._frame = av.VideoFrame.from_ndarray(np.asarray(self._drawn()), "rgb24")
        return self._frame

    def _drawn(self) -> Image.Image:
        size = self.format.size
        background = self._background(size)
        image = Image.new("RGB", size, GREY) if background is None else background.copy()
        pen = ImageDraw.Draw(image)
        for person in self._result.people:
            self._draw_box(pen, person)
        for person in self._result.people:
            self._draw_figure(image, person)
        if self._labelled:
            for person in self._result.people:
                self._draw_label(pen, person)
            self._draw_caption(pen)
        return image

    def _box(self, person: Person) -> tuple[float, float, float, float]:
        x1, y1, x2, y2 = (side * self._scale for side in person.box)
        return x1, y1, x2, y2

    def _draw_box(self, pen: ImageDraw.ImageDraw, person: Person) -> None:
        """A thin outline with strong corners."""
        x1, y1, x2, y2 = self._box(person)
        if x2 - x1 < 1 or y2 - y1 < 1:
            return
        colour = track_colour(person.track)
        thin = max(1, round(max(self.format.size) / 640))
        pen.rectangle((x1, y1, x2, y2), outline=_mixed(colour, GREY), width=thin)
        arm = min(0.25 * min(x2 - x1, y2 - y1), max(self.format.size) / 40)
        strong = min(2 * thin, arm)
        for left, right in ((x1, x1 + arm), (x2 - arm, x2)):
            for top, bottom in ((y1, y1 + strong), (y2 - strong, y2)):
                pen.rectangle((left, top, right, bottom), colour)
        for left, right in ((x1, x1 + strong), (x2 - strong, x2)):
            for top, bottom in ((y1, y1 + arm), (y2 - arm, y2)):
                pen.rectangle((left, top, right, bottom), colour)

    def _draw_figure(self, image: Image.Image, person: Person) -> None:
        figure = Figure(person, self._scale, image.size)
        mask = figure.mask()
        if mask is None:
            return
        image.paste(track_colour(person.track), figure.place, mask)
        for part in person.parts:
            if part.relevance >= RELEVANT and part.part in figure.centres:
                x, y = figure.centres[part.part]
                radius = max(2, round(figure.width * 0.9))
                if -radius < x < image.width + radius and -radius < y < image.height + radius:
                    at = round(x) - radius, round(y) - radius
                    image.paste(relevance_colour(part.relevance), at, disc(radius))

    def _draw_label(self, pen: ImageDraw.ImageDraw, person: Person) -> None:
        """The action on a plate below the box, above it, or in it."""
        width, height = self.format.size
        size = max(11, round(width / 60))
        title = "…" if person.action is None else shortened(person.action.label.replace("_", " "))
        score = f"#{person.track}" if person.action is None else f"{person.action.score:.0%}  #{person.track}"
        pad = round(size * 0.45)
        across = text_width(title, size) + text_width(score, round(size * 0.85)) + 3.5 * pad
        down = round(size * 1.6)
        x1, y1, _, y2 = self._box(person)
        left = min(max(x1, 0), max(0, width - across))
        tops = (y2 + 3, y1 - down - 3, min(max(y2 - down - 3, 0), max(0, height - down)))
        top = next((one for one in tops if 0 <= one <= height - down), tops[-1])
        colour = track_colour(person.track)
        pen.rounded_rectangle((left, top, left + across, top + down), pad, INK)
        pen.rounded_rectangle((left, top, left + max(2, pad / 2), top + down), pad / 4, colour)
        middle = top + down / 2
        pen.text((left + 1.4 * pad, middle), title, PAPER, font(size), anchor="lm")
        at = left + 2.2 * pad + text_width(title, size)
        pen.text((at, middle), score, colour, font(round(size * 0.85)), anchor="lm")

    def _draw_caption(self, pen: ImageDraw.ImageDraw) -> None:
        """Camera and capture time in the lower left corner."""
        width, height = self.format.size
        size = max(9, round(width / 75))
        at = datetime.fromtimestamp(self._result.capture_us // 1_000_000, UTC)
        text = f"{self._result.camera}  {at:%Y-%m-%d %H:%M:%S} UTC"
        pen.text((size, height - size), text, PAPER, font(size), anchor="lb", stroke_width=1, stroke_fill=INK)


def _mixed(one: Colour, other: Colour) -> Colour:
    red, green, blue = ((first + second) // 2 for first, second in zip(one, other, strict=True))
    return red, green, blue
