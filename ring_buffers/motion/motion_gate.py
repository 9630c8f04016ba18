"""MotionGate: finds where a camera's pictures move, for 0.1 to 0.2 ms a frame. There is one per camera.

It compares a small luma picture with a background that adapts over seconds of media time. What moved between two looks
is therefore still found if the frames between them were dropped.
"""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from ring_buffers.motion.background import Background
from ring_buffers.motion.motion_map import MotionMap
from ring_buffers.slot_writers import quarter_turns, visible

CELL = 4
"""Width and height of a cell in pixels of the small picture."""
MOST_CELLS = 40
"""Cells along the picture's longer side: the small picture is 160 pixels long."""
ROWS_AVERAGED, MOST_READ = 2.5, 400_000
"""Rows of the source in a row of the small picture, at least, and pixels of the source that are read, at most, unless
that is less than a row. Other rows are skipped, because reading takes most of the time. With fewer, noise and fine
patterns show."""


def grid_of(width: int, height: int) -> tuple[int, int]:
    """Return columns and rows of cells, nearly square, for a picture of this size."""
    longer = max(width, height)
    cells = max(min(MOST_CELLS, longer // CELL), 1)
    return max(round(cells * width / longer), 1), max(round(cells * height / longer), 1)


class SmallLuma:
    """Reads frames of any size and pixel format. Pictures are not rotated."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._formats: dict[str, bool] = {}
        """Whether plane 0 of a pixel format is 8-bit luma and nothing else. FFmpeg has about 200 formats."""

    def read(self, frame: av.VideoFrame, grid: tuple[int, int], pixels: NDArray[np.float32]) -> None:
        """Write the small picture's levels, 0 to 255, into `pixels`: float32 [CELL * CELL, rows * columns].

        Each column is a cell and each row one of a cell's pixels. `grid`: columns and rows.
        """
        columns, rows = grid
        height = CELL * rows
        if self._has_luma_plane(frame.format):
            luma = visible(frame.planes[0])
            read = max(min(height * ROWS_AVERAGED, MOST_READ / frame.width), height)
            step = max(int(frame.height / read), 1)
            # Without a copy: FFmpeg accepts any distance between rows.
            frame = av.VideoFrame.from_numpy_buffer(luma[step // 2 :: step], "gray")
        small = self._reformatter.reformat(
            frame, CELL * columns, height, "gray", interpolation=Interpolation.AREA, threads=1
        )
        cells = visible(small.planes[0]).reshape(rows, CELL, columns, CELL).transpose(1, 3, 0, 2)
        np.copyto(pixels.reshape(CELL, CELL, rows, columns), cells)

    def _has_luma_plane(self, format: av.VideoFormat) -> bool:
        known = self._formats.get(format.name)
        if known is None:
            first = format.components[0]
            alone = format.is_planar or len(format.components) == 1
            known = first.is_luma and first.bits == 8 and alone and not format.has_palette
            self._formats[format.name] = known
        return known


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
