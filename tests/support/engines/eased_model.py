"""A model that is too slow for its cameras, and can be eased."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ring_buffers.frames import Lease
from stages.ease_levels import FULL_QUALITY, Detection, EaseLevel
from stages.free_model import FreeModel
from stages.types import FrameAnalysis
from support.slow_work import slow_work

LEVELS = (FULL_QUALITY, EaseLevel(12.5), EaseLevel(2.0))


class EasedModel(FreeModel):
    """Detects no people; a frame with detection takes `detection_s`."""

    def __init__(self, detection_s: float, levels: Sequence[EaseLevel] = LEVELS) -> None:
        super().__init__()
        self.detection_s = detection_s
        self.calls: list[tuple[int, set[str]]] = []
        """How it was eased; not the call at the start."""
        self._levels = levels
        self._last: dict[str, Detection] = {}

    @property
    def ease_levels(self) -> Sequence[EaseLevel]:
        return self._levels

    def ease(self, level: int, spared: Collection[str] = ()) -> None:
        if self.calls or level:
            self.calls.append((level, set(spared)))

    def ease_cost(self, level: int, frame_rates: Sequence[float]) -> float:
        return sum(self._levels[level].detection_rate(rate) for rate in frame_rates)

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        level, spared = self.calls[-1] if self.calls else (0, set[str]())
        for meta in (lease.meta for lease in frames):
            limits = FULL_QUALITY if meta.camera in spared else self._levels[level]
            last = self._last.get(meta.camera, Detection(-1, float("-inf")))
            detection = limits.next_detection(last, meta.frame, meta.media_us)
            if detection is not None:
                self._last[meta.camera] = detection
                slow_work(self.detection_s)
        return super().process(frames)
