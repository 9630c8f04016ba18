"""FreeModel: an empty model, for measuring everything around a model.

By default it asks for the decoder's planes, which need no conversion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ring_buffers.frames import Lease, SlotFormat
from stages.types import FrameAnalysis, Model, ModelInfo


class FreeModel(Model):
    """Returns empty analyses, and reports itself as untrained."""

    def __init__(self, pixels: Literal["planes", "rgb24"] = "planes", size: tuple[int, int] | None = None) -> None:
        """`pixels`: the format that it asks for; `size`: (width, height) of an rgb24 slot, by default the source's."""
        self.info = ModelInfo(profile="free", weights="", trained=False)
        self._pixels: Literal["planes", "rgb24"] = pixels
        self._size = size

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return planes at the source's size, or rgb24 with the largest content of the source's aspect that fits."""
        if self._pixels == "planes":
            return SlotFormat(pixels="planes", size=source_size, content=source_size)
        size = self._size or detector_size or source_size
        scale = min(size[0] / source_size[0], size[1] / source_size[1])
        content = (max(1, round(source_size[0] * scale)), max(1, round(source_size[1] * scale)))
        return SlotFormat(pixels="rgb24", size=size, content=content)

    def warm_up(self) -> None:
        """Do nothing."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Return one empty analysis per frame."""
        return [FrameAnalysis() for _ in frames]

    def forget(self, camera: str) -> None:
        """Do nothing."""
