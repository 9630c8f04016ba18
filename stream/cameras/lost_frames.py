"""Warnings about cameras that send more frames than the engine can analyse."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from stream.results import CameraStats
from telemetry.health import missed_frames, wanted_frames

logger = logging.getLogger(__name__)

WINDOW_S = 10.0
REPEAT_S = 300.0
LOST_SHARE = 0.5


class _Sample(NamedTuple):
    at_s: float
    wanted: int
    """Decoded frames without those dropped intentionally."""
    processed: int
    lost: int


class LostFrames:
    """Warns of each camera that has lost more than half of its frames to overload for ten seconds.

    The warning is repeated every five minutes while this continues.
    """

    def __init__(self) -> None:
        self._samples: dict[str, deque[_Sample]] = {}
        self._warned_at_s: dict[str, float] = {}

    def observe(self, cameras: Iterable[CameraStats], now_s: float) -> None:
        """Take the counts of all cameras at a monotonic time in seconds."""
        samples = {camera.camera: _sample(camera, now_s) for camera in cameras}
        for camera_id in self._samples.keys() - samples.keys():
            del self._samples[camera_id]
            self._warned_at_s.pop(camera_id, None)
        for camera_id, sample in samples.items():
            self._observe(camera_id, sample)

    def _observe(self, camera_id: str, now: _Sample) -> None:
        samples = self._samples.setdefault(camera_id, deque())
        if samples and now.processed < samples[-1].processed:  # the camera was restarted
            samples.clear()
        samples.append(now)
        while len(samples) > 2 and now.at_s - samples[1].at_s >= WINDOW_S:
            samples.popleft()
        first = samples[0]
        seconds = now.at_s - first.at_s
        wanted = now.wanted - first.wanted
        if seconds < WINDOW_S or now.lost - first.lost <= LOST_SHARE * wanted:
            return
        if now.at_s - self._warned_at_s.get(camera_id, -REPEAT_S) < REPEAT_S:
            return
        self._warned_at_s[camera_id] = now.at_s
        logger.warning(
            "camera %s: the model is too slow for it: of %.1f frames per second, %.1f are analysed. "
            "Set max_fps to what is analysed, or a smaller detector_size",
            camera_id,
            wanted / seconds,
            (now.processed - first.processed) / seconds,
        )


def _sample(camera: CameraStats, now_s: float) -> _Sample:
    wanted = wanted_frames(camera.decoded, camera.dropped)
    return _Sample(now_s, wanted, camera.processed, missed_frames(camera.dropped))
