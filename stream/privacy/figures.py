"""Figures: people as stick figures, from the centres of their visible parts."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw

from stream.results import Person

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
