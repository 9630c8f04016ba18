"""Pictures drawn from results alone: people as skeletons with their boxes, over grey."""

from __future__ import annotations

import av
import numpy as np
from PIL import Image, ImageDraw

from ring_buffers.frames import SlotFormat
from stream.results import Frame, Person

WIDEST = 1280
"""Longest side of a drawing, pixels."""
GREY = (88, 88, 88)
COLOURS = ((255, 214, 102), (126, 214, 255), (255, 158, 128), (168, 230, 160), (214, 180, 255), (255, 170, 220))
"""Of people, by track."""
BONES = (
    ("head", "hip"),
    *(("head", f"{side}_arm") for side in ("left", "right")),
    *((f"{side}_arm", f"{side}_hand") for side in ("left", "right")),
    *(("hip", f"{side}_leg") for side in ("left", "right")),
    *((f"{side}_leg", f"{side}_foot") for side in ("left", "right")),
)
"""Parts whose centres are joined, if both are visible."""


class DrawnPicture:
    """The drawing of one result, made at the first use of `frame`."""

    def __init__(self, result: Frame) -> None:
        self._result = result
        width, height = result.size
        scale = min(1.0, WIDEST / max(width, height, 1))
        self._scale = scale
        size = max(1, round(width * scale)), max(1, round(height * scale))
        self.format = SlotFormat("rgb24", size, size)
        self._frame: av.VideoFrame | None = None

    @property
    def frame(self) -> av.VideoFrame:
        """The drawing, rgb24."""
        if self._frame is None:
            self._frame = self._drawn()
        return self._frame

    def _drawn(self) -> av.VideoFrame:
        image = Image.new("RGB", self.format.size, GREY)
        pen = ImageDraw.Draw(image)
        for person in self._result.people:
            self._draw(pen, person)
        return av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")

    def _draw(self, pen: ImageDraw.ImageDraw, person: Person) -> None:
        colour = COLOURS[person.track % len(COLOURS)]
        scale = self._scale
        line = max(1, round(max(self.format.size) / 320))
        x1, y1, x2, y2 = (side * scale for side in person.box)
        if x2 >= x1 and y2 >= y1:
            pen.rectangle((x1, y1, x2, y2), outline=colour, width=line)
        centres = {
            part.part: ((part.box[0] + part.box[2]) / 2 * scale, (part.box[1] + part.box[3]) / 2 * scale)
            for part in person.parts
        }
        for one, other in BONES:
            if one in centres and other in centres:
                pen.line((*centres[one], *centres[other]), fill=colour, width=2 * line)
        for x, y in centres.values():
            pen.ellipse((x - 2 * line, y - 2 * line, x + 2 * line, y + 2 * line), fill=colour)
