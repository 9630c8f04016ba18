"""MotionGate: finds where a camera's pictures move, for 0.1 to 0.2 ms a frame. There is one per camera.

It compares a small luma picture with a background that adapts over seconds of media time. What moved between two looks
is therefore still found if the frames between them were dropped.
"""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
from numpy.typing import NDArray

from ring_buffers.motion.background import Background
from ring_buffers.motion.motion_map import MotionMap
from ring_buffers.motion.small_luma import CELL, SmallLuma, grid_of
from ring_buffers.slot_writers import quarter_turns

Hidden = Callable[[int, int], NDArray[np.bool_]]
"""Returns which pixels of a small picture of a width and height, as shown, are hidden: bool [height, width]."""


class MotionGate:
    """Takes one camera's frames in order of media time."""

    def __init__(self) -> None:
        self._small = SmallLuma()
        self._grid = (0, 0)
        self._background: Background | None = None
        self._scene = 0

    def begin_epoch(self) -> None:
        """Forget the background: the next frame belongs to another epoch."""
        self._background = None
        self._scene = 0

    def look(self, frame: av.VideoFrame, media_us: int, hidden: Hidden | None = None) -> MotionMap:
        """Return where the frame, as shown, differs from the background, and adapt the background.

        What is `hidden` is black here too, so that nothing that happens there moves, or begins a scene.

        An epoch's first frame counts as moving everywhere, and so does one whose picture changed as a whole. Each
        begins a scene.
        """
        turns = quarter_turns(frame)
        if self._background is None or grid_of(frame.width, frame.height) != self._grid:
            self._grid = grid_of(frame.width, frame.height)
            columns, rows = self._grid
            self._background = Background(rows, columns, CELL * CELL)
        columns, rows = self._grid
        self._small.read(frame, self._grid, self._background.current)
        if hidden is not None:
            size = (CELL * columns, CELL * rows)
            black = np.rot90(hidden(*(reversed(size) if turns % 2 else size)), -turns)
            by_cell = black.reshape(rows, CELL, columns, CELL).transpose(1, 3, 0, 2)
            self._background.current[by_cell.reshape(CELL * CELL, rows * columns)] = 0
        moving = self._background.step(media_us)
        if moving is None:
            self._scene += 1
            return MotionMap.whole(*((rows, columns) if turns % 2 else (columns, rows)), self._scene)
        moving = moving.reshape(rows, columns)
        return MotionMap.of(np.rot90(moving, turns) if turns else moving, self._scene)
