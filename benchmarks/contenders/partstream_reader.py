"""partstream's way in: the cameras' own readers, from the transport through the decoder into the ring, and no engine.

A frame counts when the ring has it: written into its slot, which is the bare loop's copy, and committed. It is taken
out again in the camera's own thread, where the bare loop reads its barcode too, so that no hand-over to another thread
is in the latency of either.
"""

from __future__ import annotations

import os

from benchmarks import barcode
from benchmarks.contenders.recorder import Recorder, Spec
from ring_buffers.frame_ring import FrameRing, SlotFormat
from stream.settings.engine import CameraConfig
from stream.sources.reader import CameraReader
from telemetry.observer import Observer


class Camera:
    """One camera's reader and its ring, which is never full."""

    def __init__(self, index: int, config: CameraConfig, recorder: Recorder) -> None:
        self._index = index
        self._recorder = recorder
        self._ring = FrameRing(config.id, slots=config.ring_slots, on_ready=self._take)
        self.reader = CameraReader(config, self._ring, _planes, Observer(), lambda status: None)

    def _take(self) -> None:
        while (lease := self._ring.lease()) is not None:
            width, height = lease.meta.format.size
            number = barcode.read(lease.picture[: width * height].reshape(height, width))
            self._recorder.frame(self._index, number)
            self._ring.release(lease, "processed")


def _planes(source_size: tuple[int, int], _detector_size: tuple[int, int] | None) -> SlotFormat:
    return SlotFormat("planes", source_size, source_size)


def main() -> None:
    """Run as the spec says and leave the process at once when measured."""
    spec = Spec.from_argv()
    settings = spec.options["camera"]
    configs = [CameraConfig(**{"id": f"cam{index}", "source": url, **settings}) for index, url in enumerate(spec.urls)]
    recorder = Recorder(len(spec.urls))
    cameras = [Camera(index, config, recorder) for index, config in enumerate(configs)]
    for camera in cameras:
        camera.reader.start()
    recorder.measure(spec)
    os._exit(0)


if __name__ == "__main__":
    main()
