"""The command line of partstream, whose model `free` sees one person after another, who comes, falls and goes.

python -m benchmarks.engine.memory.programs.people_engine run --config FILE
"""

from __future__ import annotations

import runpy
from collections.abc import Sequence

from ring_buffers.frames import FrameMeta, Lease
from stages.free_model import FreeModel
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis
from stream.inference import model_loading

PERIOD_US = 6_000_000
WALKS_US, FALLS_US = 2_000_000, 4_000_000
"""Times in each period of media time until which the person walks, and then lies."""


class PassersBy(FreeModel):
    """Shows one person in each period, with a track of their own."""

    def __init__(self) -> None:
        super().__init__()
        self._in_sight: dict[str, tuple[int, int]] = {}
        """By camera: epoch and track, 0 for no person."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Return the person of each frame, or the one who has left."""
        return [self._analyse(lease.meta) for lease in frames]

    def forget(self, camera: str) -> None:
        """Forget who was in sight of the camera."""
        self._in_sight.pop(camera, None)

    def _analyse(self, meta: FrameMeta) -> FrameAnalysis:
        period, at_us = divmod(meta.media_us, PERIOD_US)
        epoch, before = self._in_sight.get(meta.camera, (meta.epoch, 0))
        before = before if epoch == meta.epoch else 0
        track = period + 1 if at_us < FALLS_US else 0
        self._in_sight[meta.camera] = (meta.epoch, track)
        ended = [before] if before not in (0, track) else []
        if not track:
            return FrameAnalysis(ended=ended)
        label = "walk" if at_us < WALKS_US else "fall"
        since = meta.media_us - (at_us if label == "walk" else at_us - WALKS_US)
        action = ActionAnalysis(label, 0.9, since, [(label, 0.9)], label, 0.9)
        width, height = meta.size
        x = width * (0.1 + 0.8 * at_us / FALLS_US)
        box = (x - width / 20, height * 0.4, x + width / 20, height * 0.9)
        return FrameAnalysis(people=[PersonAnalysis(track, box, 0.9, action, [])], ended=ended, tracks=1)


if __name__ == "__main__":
    setattr(model_loading, "FreeModel", PassersBy)  # noqa: B010 - pyright knows it as imported only
    runpy.run_path("run_stream.py", run_name="__main__")
