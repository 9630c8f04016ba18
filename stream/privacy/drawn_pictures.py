"""Pictures drawn from results alone: people as skeletons with their boxes, over grey or an approved background."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import av
import numpy as np
from PIL import Image, ImageDraw

from ring_buffers.frames import SlotFormat
from stream.pictures.drawing import INK, PAPER, Colour, font, relevance_colour, shortened, text_width, track_colour
from stream.results import Frame, Person

BONES = (
    ("head", "neck"),
    ("neck", "hip"),
    *(("neck", f"{side}_arm") for side in ("left", "right")),
    *((f"{side}_arm", f"{side}_hand") for side in ("left", "right")),
    *(("hip", f"{side}_leg") for side in ("left", "right")),
    *((f"{side}_leg", f"{side}_foot") for side in ("left", "right")),
)
"""Points that are joined, if both are known."""
NECK = 0.28
"""Place of the neck between head and hip; with the head alone, the neck is the head's centre."""
FINE = 2
"""Samples of a mask along a pixel's side, for smooth edges."""
FARTHEST = 1e5
"""Pixels; a point farther away from the picture's origin is not drawn."""

Point = tuple[float, float]


class Place(NamedTuple):
    """A rectangle of the picture in whole pixels."""

    left: int
    top: int
    right: int
    bottom: int


class Figure:
    """The figure of one person in a picture of `size`. `scale`: pixels of the picture for one of the result."""

    def __init__(self, person: Person, scale: float, size: tuple[int, int]) -> None:
        self.centres = centres_of(person, scale)
        """The centres of visible parts, in the picture."""
        height = max((abs(person.box[3] - person.box[1]) * scale), 1.0)
        self.width = min(max(height * 0.025, 1.5), max(size) / 100)
        """Width of a bone, pixels."""
        heads = [part.box for part in person.parts if part.part == "head"]
        side = min((min(box[2] - box[0], box[3] - box[1]) * scale / 2 for box in heads), default=0.0)
        self.head = min(max(side, 1.5 * self.width), height / 6)
        """Radius of the head, pixels."""
        self.points = dict(self.centres)
        if "head" in self.points:
            (x, y), (down_x, down_y) = self.points["head"], self.points.get("hip", self.points["head"])
            self.points["neck"] = x + NECK * (down_x - x), y + NECK * (down_y - y)
        self.place = self._place(size)
        """The part of the picture that contains it; empty if none does."""

    def _place(self, size: tuple[int, int]) -> Place:
        if not self.points:
            return Place(0, 0, 0, 0)
        margin = self.head + 2 * self.width
        across, down = zip(*self.points.values(), strict=True)
        left, top = max(0, int(min(across) - margin)), max(0, int(min(down) - margin))
        right, bottom = min(size[0], int(max(across) + margin) + 1), min(size[1], int(max(down) + margin) + 1)
        return Place(left, top, right, bottom) if right > left and bottom > top else Place(0, 0, 0, 0)

    def mask(self) -> Image.Image | None:
        """Return how much of each pixel of `place` the figure covers (L); None if the place is empty."""
        left, top, right, bottom = self.place
        if right <= left:
            return None
        mask = Image.new("L", ((right - left) * FINE, (bottom - top) * FINE), 0)
        pen = ImageDraw.Draw(mask)

        def on_mask(name: str) -> Point:
            x, y = self.points[name]
            return (x - left) * FINE, (y - top) * FINE

        line = max(2, round(self.width * FINE))
        for one, other in BONES:
            if one in self.points and other in self.points:
                pen.line((on_mask(one), on_mask(other)), 255, line)
        for name in self.points:
            x, y = on_mask(name)
            radius = FINE * (self.head if name == "head" else self.width * (0.5 if name == "neck" else 1.1))
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
        return mask.reduce(FINE)


def centres_of(person: Person, scale: float) -> dict[str, Point]:
    """Return the centres of a person's visible parts, times `scale`, without those that are too far to be drawn."""
    centres = {
        part.part: ((part.box[0] + part.box[2]) / 2 * scale, (part.box[1] + part.box[3]) / 2 * scale)
        for part in person.parts
    }
    return {name: (x, y) for name, (x, y) in centres.items() if abs(x) < FARTHEST and abs(y) < FARTHEST}


@lru_cache(maxsize=64)
def disc(radius: int) -> Image.Image:
    """Return a smooth disc (L), 255 inside."""
    side = 2 * radius + 1
    fine = Image.new("L", (side * FINE, side * FINE), 0)
    ImageDraw.Draw(fine).ellipse((0, 0, side * FINE - 1, side * FINE - 1), 255)
    return fine.reduce(FINE)


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
