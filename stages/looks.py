"""Where the detector looks in a frame: nowhere, in square regions, or at the whole picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

REGION_SIDE = 256
"""Width and height in which the detector sees a region, in pixels. People near the camera still have enough detail, and
a region costs a sixth of a whole picture of 768x512."""


class Region(NamedTuple):
    """A square of a frame's picture, in its pixels. All numbers are even, because chroma has half the resolution.

    It lies within the picture where that is large enough; elsewhere it reaches beyond the right or the lower edge.
    """

    left: int
    top: int
    side: int

    def shown(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return width and height of the part inside a picture of this size."""
        return min(self.side, size[0] - self.left), min(self.side, size[1] - self.top)


@dataclass(frozen=True, slots=True)
class Look:
    """What the detector looks at in one frame; the regions are empty if it sees the whole picture."""

    whole: bool = False
    regions: tuple[Region, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether the detector runs on the frame at all."""
        return self.whole or bool(self.regions)


NOWHERE = Look()
WHOLE = Look(whole=True)
