"""SmallLuma: a frame's luma as a small picture of a motion gate, averaged over areas, cell by cell."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from ring_buffers.slot_writers import visible

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
