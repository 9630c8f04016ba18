"""Real footage as batches of leased frames, to measure a model without an engine.

The footage is opencv-doc's street scene with 2 to 8 people (`partstream weights fetch vtest`).
"""

from __future__ import annotations

import time
from pathlib import Path

import av
import numpy as np

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.slot_writers import picture_writer
from stages.third_party import weights
from stages.types import Model

STEP_US = 80_000
"""12.5 frames per second, the highest step rate of the action model."""


def street() -> Path:
    """Return the footage in the cache. Raises `WeightsError` with the remedy if it is missing."""
    return weights.locate("vtest") / "vtest.avi"


class Footage:
    """The first `count` frames of a video in memory, scaled for `model`."""

    def __init__(self, video: Path, model: Model, count: int, detector_size: tuple[int, int] | None) -> None:
        self.pictures: list[np.ndarray] = []
        with av.open(str(video)) as container:
            coded = container.streams.video[0]
            self.size = (coded.width, coded.height)
            self.format = model.slot_format(self.size, detector_size)
            writer = picture_writer(self.format)
            for frame in container.decode(coded):
                picture = np.zeros(self.format.shape, np.uint8)
                writer.write(frame, picture)
                self.pictures.append(picture)
                if len(self.pictures) == count:
                    break

    def batch(self, cameras: list[str], step: int) -> list[Lease]:
        """Return frame `step` of each camera; each camera starts at a different place in the footage."""
        return [self.frame(cameras, index, step, step * STEP_US) for index in range(len(cameras))]

    def frame(self, cameras: list[str], index: int, step: int, media_us: int) -> Lease:
        """Return frame `step` of a camera, with the current time as arrival."""
        now_ns = time.monotonic_ns()
        meta = FrameMeta(
            camera=cameras[index],
            epoch=1,
            frame=step,
            media_us=media_us,
            capture_us=time.time_ns() // 1000,
            clock="arrival",
            arrival_ns=now_ns,
            ready_ns=now_ns,
            size=self.size,
            format=self.format,
        )
        offset = index * len(self.pictures) // len(cameras)
        return Lease(meta=meta, picture=self.pictures[(offset + step) % len(self.pictures)], slot=0)
