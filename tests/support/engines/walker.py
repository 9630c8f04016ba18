"""A model whose only person walks through the picture, for tests of zones."""

from __future__ import annotations

from collections.abc import Sequence

from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis


class Walker(FreeModel):
    """A person 40 pixels tall whose foot point moves 1 pixel a frame, from x 0 to 199, again and again."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Return one person per frame, whose foot point is 90 pixels from the top."""
        walk = ActionAnalysis("walk", 0.9, 0, [("walk", 0.9)], "walk", 0.9)
        return [
            FrameAnalysis(people=[PersonAnalysis(1, (x - 10.0, 50.0, x + 10.0, 90.0), 0.9, walk, [])], tracks=1)
            for x in (lease.meta.frame % 200 for lease in frames)
        ]
