"""What may be shown of a published frame. Only this package reads the pixels of a slot to show them.

A `Shown` is valid while the frame's slot is leased; what it copies stays valid.
"""

from __future__ import annotations

import numpy as np

from ring_buffers.frames import FrameMeta
from stream.pictures.jpeg import Encodable, SlotCopy
from stream.privacy.drawn_pictures import WIDEST, WIDEST_VIDEO, Background, DrawnPicture
from stream.results import Frame


class ShownSlot:
    """A frame that is shown as it is in its slot."""

    def __init__(self, meta: FrameMeta, picture: np.ndarray) -> None:
        """`picture`: the slot (uint8, `SlotFormat.shape`)."""
        self.meta = meta
        self._picture = picture

    def copy(self, *, for_video: bool = False) -> Encodable:
        """Return a copy of the slot."""
        return SlotCopy(self.meta.format, self._picture)


class ShownResult:
    """A frame of which only the result is shown, drawn. It never sees the slot."""

    def __init__(self, meta: FrameMeta, result: Frame, background: Background = lambda size: None) -> None:
        self.meta = meta
        self._result = result
        self._background = background

    def copy(self, *, for_video: bool = False) -> Encodable:
        """Return the drawing, which is made when it is encoded; for video with labels, as no overlay is drawn on it."""
        widest = WIDEST_VIDEO if for_video else WIDEST
        return DrawnPicture(self._result, self._background, widest=widest, labelled=for_video)


Shown = ShownSlot | ShownResult
"""A frame as it may be shown."""
