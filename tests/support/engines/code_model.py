"""A model whose only person is at the number in the picture, so that a box shows to which picture it belongs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.cameras import barcode
from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import FrameAnalysis, PersonAnalysis


class CodeModel(FreeModel):
    """Detects in a picture with number n one person, n pixels from the left edge."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Return one person for each frame with a readable number."""
        return [_see(lease) for lease in frames]


def _see(lease: Lease) -> FrameAnalysis:
    width, height = lease.meta.size
    number = barcode.read(np.asarray(lease.picture)[: height * width].reshape(-1, width)[:height])
    if number == barcode.UNREADABLE:
        return FrameAnalysis()
    box = (float(number), height * 0.6, number + 20.0, height * 0.9)
    return FrameAnalysis(people=[PersonAnalysis(1, box, 0.9, None, [])], tracks=1)
