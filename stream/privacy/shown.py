"""What may be shown of a published frame. Only this package reads the pixels of a slot to show them.

A `Shown` is valid while the frame's slot is leased; what it copies stays valid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ring_buffers.frames import FrameMeta, SlotFormat
from stream.pictures.jpeg import Encodable, SlotCopy
from stream.privacy.drawn_pictures import WIDEST_VIDEO, Background, DrawnPicture
from stream.results import Frame


class Shown(Protocol):
    """A frame as it may be shown."""

    @property
    def meta(self) -> FrameMeta:
        """The frame's metadata."""
        ...

    def copy(self, new_copy: Callable[[SlotFormat], SlotCopy]) -> Encodable:
        """Return a picture that stays as it is when the slot changes. `new_copy` returns memory for a slot."""
        ...

    def copy_for_video(self, new_copy: Callable[[SlotFormat], SlotCopy]) -> Encodable:
        """Return the same for video, on which no overlay is drawn."""
        ...


class ShownSlot:
    """A frame that is shown as it is in its slot."""

    def __init__(self, meta: FrameMeta, picture: np.ndarray) -> None:
        """`picture`: the slot (uint8, `SlotFormat.shape`)."""
        self.meta = meta
        self._picture = picture

    def copy(self, new_copy: Callable[[SlotFormat], SlotCopy]) -> Encodable:
        """Return a copy of the slot."""
        copy = new_copy(self.meta.format)
        copy.fill(self._picture)
        return copy

    def copy_for_video(self, new_copy: Callable[[SlotFormat], SlotCopy]) -> Encodable:
        """Return a copy of the slot."""
        return self.copy(new_copy)


class ShownResult:
    """A frame of which only the result is shown, drawn. It never sees the slot."""

    def __init__(self, meta: FrameMeta, result: Frame, background: Background = lambda size: None) -> None:
        self.meta = meta
        self._result = result
        self._background = background

    def copy(self, new_copy: Callable[[SlotFormat], SlotCopy]) -> Encodable:
        """Return the drawing, which is made when it is encoded."""
        return DrawnPicture(self._result, self._background)

    def copy_for_video(self, new_copy: Callable[[SlotFormat], SlotCopy]) -> Encodable:
        """Return the drawing with labels."""
        return DrawnPicture(self._result, self._background, widest=WIDEST_VIDEO, labelled=True)
