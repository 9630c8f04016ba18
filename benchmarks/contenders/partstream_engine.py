"""partstream: the whole engine with a model that only reads the barcode.

A frame is delivered when its result has been handed to ZeroMQ; `run_once` runs a subscriber in another process. The
engine's own latency, from ready to handed over, comes from the metadata of the frames.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Sequence

import numpy as np

from benchmarks.cameras import barcode
from benchmarks.contenders.recorder import Recorder, Spec
from ring_buffers.frames import Lease, SlotFormat
from stages.free_model import FreeModel
from stages.types import FrameAnalysis
from stream.config import Config
from stream.engine import Engine
from stream.settings.engine import CameraConfig, PublishConfig
from stream.settings.network import HttpConfig
from telemetry.observer import Observer


class BarcodeModel(FreeModel):
    """Reads the number in each picture and detects no people."""

    def __init__(self, size: tuple[int, int] | None, waiting: dict[str, deque[tuple[int, int, int]]]) -> None:
        super().__init__()
        self._size = size
        self._waiting = waiting

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the source's planes or, with a size, RGB pictures scaled to it."""
        if self._size is None:
            return super().slot_format(source_size, detector_size)
        return SlotFormat(pixels="rgb24", size=self._size, content=self._size)

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Pass (number, arrival, ready) of each frame to `PublishedFrames`."""
        for lease in frames:
            meta, picture = lease.meta, lease.picture
            width, height = meta.format.content
            luma = (
                picture[:height, :width, 1] if picture.ndim == 3 else picture[: width * height].reshape(height, width)
            )
            self._waiting[meta.camera].append((barcode.read(luma), meta.arrival_ns, meta.ready_ns))
        return super().process(frames)


class PublishedFrames(Observer):
    """Records when each frame was handed to ZeroMQ: its arrival plus the age reported by the engine."""

    def __init__(self, cameras: Sequence[str], recorder: Recorder) -> None:
        self.waiting: dict[str, deque[tuple[int, int, int]]] = {camera: deque() for camera in cameras}
        self.own_latency_ns: list[tuple[int, int]] = []
        self._index = {camera: index for index, camera in enumerate(cameras)}
        self._recorder = recorder

    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        """Record a frame. Frames are published in the order in which the model processed them."""
        number, arrival_ns, ready_ns = self.waiting[camera].popleft()
        handed_ns = arrival_ns + round(age_seconds * 1e9)
        self._recorder.frame_at(self._index[camera], number, handed_ns)
        self.own_latency_ns.append((handed_ns, handed_ns - ready_ns))


async def run(spec: Spec) -> None:
    """Run the engine for the measurement."""
    recorder = Recorder(len(spec.urls))
    names = [f"cam{index}" for index in range(len(spec.urls))]
    published = PublishedFrames(names, recorder)
    size = spec.options["size"]
    model = BarcodeModel(tuple(size) if size else None, published.waiting)
    config = Config(
        cameras=[_camera(name, url, spec.options["transport"]) for name, url in zip(names, spec.urls, strict=True)],
        publish=PublishConfig(endpoint=spec.options["endpoint"], replay="tcp://127.0.0.1:0"),  # pyright: ignore[reportCallIssue]
        http=HttpConfig(bind="127.0.0.1:0"),  # pyright: ignore[reportCallIssue]
    )
    engine = Engine(config, model=model, observers=[published])
    async with engine:

        def finish() -> None:
            stamps = np.array(published.own_latency_ns, np.int64).reshape(-1, 2)
            recorder.extra["own_latency"] = stamps
            counts = engine.stats()
            recorder.extra["dropped"] = np.array([sum(camera.dropped.values()) for camera in counts.cameras])

        await asyncio.to_thread(recorder.measure, spec, finish)


def _camera(name: str, url: str, transport: str) -> CameraConfig:
    return CameraConfig.model_validate({"id": name, "source": url, "transport": transport})


def main() -> None:
    """Run the spec given on the command line."""
    import uvloop

    spec = Spec.from_argv()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(spec))
    os._exit(0)


if __name__ == "__main__":
    main()
