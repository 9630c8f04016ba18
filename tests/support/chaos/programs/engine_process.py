"""The command line of partstream, whose model `free` sees a person who comes, walks, falls and leaves, again and again.

python -m support.chaos.programs.engine_process run --config FILE
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import run_stream
from ring_buffers.frames import FrameMeta, Lease
from stages.free_model import FreeModel
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis
from stream.inference import model_loading

PERIOD_S = 16.0
WALKS_S, FALLS_S = 8.0, 10.0
"""Until when, in each period, the person walks from left to right, and then lies where that ended."""


class Stroller(FreeModel):
    """One person a period of media time; each is a track of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._tracks: dict[str, tuple[int, int]] = {}

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Return the person of each frame, and the one who has left."""
        return [self._analyse(lease.meta) for lease in frames]

    def forget(self, camera: str) -> None:
        """Forget who was in sight of the camera."""
        self._tracks.pop(camera, None)

    def _analyse(self, meta: FrameMeta) -> FrameAnalysis:
        media_s = meta.media_us / 1e6 + zlib.crc32(meta.camera.encode()) % 16
        period, at_s = divmod(media_s, PERIOD_S)
        epoch, before = self._tracks.get(meta.camera, (meta.epoch, 0))
        before = before if epoch == meta.epoch else 0
        if at_s >= FALLS_S:
            self._tracks[meta.camera] = (meta.epoch, 0)
            return FrameAnalysis(ended=[before] if before else [])
        track = int(period) % 1_000_000 + 1
        self._tracks[meta.camera] = (meta.epoch, track)
        label = "walk" if at_s < WALKS_S else "fall"
        since = meta.media_us - round((at_s - (0 if label == "walk" else WALKS_S)) * 1e6)
        action = ActionAnalysis(label, 0.9, max(0, since), [(label, 0.9)], label, 0.9)
        width, height = meta.size
        x = width * min(at_s / WALKS_S, 1.0) * 0.8 + width * 0.1
        box = (x - width / 20, height * 0.4, x + width / 20, height * 0.9)
        return FrameAnalysis(
            people=[PersonAnalysis(track, box, 0.9, action, [])],
            ended=[before] if before not in (0, track) else [],
            tracks=1,
        )


if __name__ == "__main__":
    setattr(model_loading, "FreeModel", Stroller)  # noqa: B010 - pyright knows it as imported only
    run_stream.main()
