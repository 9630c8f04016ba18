"""Slot masks: black parts of a camera's pictures, applied to a slot before the ring gives it to anyone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import SlotFormat
from ring_buffers.slot_writers import plane_bounds

MARGIN = 2
"""Pixels around a mask that are black as well: scaling mixes the colours of neighbours."""

Outline = Sequence[tuple[float, float]]
"""Corners, as shares of the picture's width and height."""
Flags = NDArray[np.bool_]


class SlotMask:
    """Masks for slots of one format. The polygons are drawn once; `apply` only writes the black pixels."""

    def __init__(self, outlines: Iterable[Outline], format: SlotFormat, enlarged: int = 1) -> None:
        """`enlarged`: how many pixels of the slot a pixel of the source becomes, at most, in each direction."""
        self._outlines = [list(outline) for outline in outlines]
        self._format = format
        self._small: dict[tuple[int, int], Flags] = {}
        """The pixels of the last small picture that are hidden, by its size."""
        self._levels: tuple[int, ...] = (0,)
        width, height = format.picture_size
        black = drawn(self._outlines, (width, height), MARGIN * enlarged)
        if format.pixels == "rgb24":
            self._areas = [_Area(black)]
            return
        # A chroma sample that is partly masked is masked with all its luma samples, whose colour it would show.
        rows, columns = (height + 1) // 2, (width + 1) // 2
        even = np.zeros((2 * rows, 2 * columns), np.bool_)
        even[:height, :width] = black
        chroma: Flags = np.asarray(even.reshape(rows, 2, columns, 2).any(axis=(1, 3)))
        luma: Flags = np.kron(chroma, np.ones((2, 2), np.bool_))[:height, :width]
        self._areas = [_Area(luma), _Area(chroma), _Area(chroma)]
        self._levels = (0 if format.colours.full_range else 16, 128, 128)

    def apply(self, picture: np.ndarray) -> None:
        """Blacken the masks in a slot of the format (uint8, `SlotFormat.shape`)."""
        if self._format.pixels == "rgb24":
            width, height = self._format.content
            self._areas[0].fill(picture[:height, :width], 0)
            return
        bounds = plane_bounds(self._format.size)
        for area, level, (begin, end, width, height) in zip(self._areas, self._levels, bounds, strict=True):
            area.fill(picture[begin:end].reshape(height, width), level)

    def hidden(self, width: int, height: int) -> Flags:
        """Return which pixels of a small picture of this size, as shown, hold anything masked: bool [height, width]."""
        found = self._small.get((width, height))
        if found is None:
            found = drawn(self._outlines, (width, height), 1)
            self._small = {(width, height): found}
        return found


class _Area:
    """The masked pixels of a plane, in the smallest rectangle around them."""

    def __init__(self, black: Flags) -> None:
        """`black`: bool [height, width]."""
        rows, columns = np.flatnonzero(black.any(1)), np.flatnonzero(black.any(0))
        self._place = (
            (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else (slice(0), slice(0))
        )
        self._black = np.ascontiguousarray(black[self._place])

    def fill(self, plane: np.ndarray, level: int) -> None:
        """Set the masked pixels of a plane, [height, width] or [height, width, channels], to this level."""
        plane[self._place][self._black] = level


def drawn(outlines: Iterable[Outline], size: tuple[int, int], margin: int) -> Flags:
    """Return which pixels of a picture of `size` (width, height) the outlines hide: bool [height, width].

    These are all pixels that an outline touches or that are up to `margin` pixels away from it, and few more. Takes
    about 0.2 s for all of a 720p picture.
    """
    import shapely  # Most cameras have no masks.

    width, height = size
    black = np.zeros((height, width), np.bool_)
    for outline in outlines:
        polygon = shapely.Polygon([(x * width, y * height) for x, y in outline])
        # From its centre, no part of a pixel is farther away than 0.71.
        grown = polygon.buffer(margin + 0.75)
        left, top, right, bottom = (int(side) for side in grown.bounds)
        across = np.arange(max(left - 1, 0), min(right + 2, width))
        down = np.arange(max(top - 1, 0), min(bottom + 2, height))
        shapely.prepare(grown)
        black[down[0] : down[-1] + 1, across[0] : across[-1] + 1] |= shapely.contains_xy(
            grown, across[None, :] + 0.5, down[:, None] + 0.5
        )
    return black
