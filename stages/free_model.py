"""FreeModel: a model that costs nothing and sees nobody, for measuring everything around a model.

It asks for the decoder's own planes, which are the cheapest picture there is, and never looks at them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ring_buffers.frame_ring import Lease, SlotFormat
from stages.types import FrameAnalysis, ModelInfo


class FreeModel:
    """Implements `stages.types.Model`; every answer is empty. Its labels mean nothing, so it calls itself untrained."""

    def __init__(self) -> None:
        self.info = ModelInfo(profile="free", weights="", trained=False)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """The source's planes, whatever detector size is asked for."""
        return SlotFormat(pixels="planes", size=source_size, content=source_size)

    def warm_up(self) -> None:
        """Nothing to warm."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """One empty analysis a frame."""
        return [FrameAnalysis() for _ in frames]

    def forget(self, camera: str) -> None:
        """Nothing was kept."""
