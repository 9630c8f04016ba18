"""partstream's camera readers, from the transport through the decoder into the ring, without an engine.

With native RTSP, the packets of all cameras are received in one thread, as in an engine. A frame is delivered when it
is written to its slot, which corresponds to the bare loop's copy, and committed. Like in the bare loop, the decoding
thread then reads the barcode, so neither latency includes a hand-over to another thread.
"""

from __future__ import annotations

import os
import threading

from benchmarks.cameras import barcode
from benchmarks.contenders.recorder import Recorder, Spec
from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import SlotFormat
from stream.settings.engine import CameraConfig
from stream.sources.open_transport import MakeOpener, OnDiscard
from stream.sources.reader import CameraReader
from stream.sources.rtsp.fallback import network_thread, rtsp_opener
from stream.sources.transport import TransportOpener
from telemetry.observer import Observer


class Camera:
    """Reader of a camera, and its ring, which is emptied at once."""

    def __init__(self, index: int, config: CameraConfig, recorder: Recorder, make_opener: MakeOpener) -> None:
        self._index = index
        self._recorder = recorder
        self._ring = FrameRing(config.id, slots=config.ring_slots, on_ready=self._take)
        self.reader = CameraReader(
            config, self._ring, _planes, Observer(), lambda status: None, make_opener=make_opener
        )

    def _take(self) -> None:
        while (lease := self._ring.lease()) is not None:
            width, height = lease.meta.format.size
            number = barcode.read(lease.picture[: width * height].reshape(height, width))
            self._recorder.frame(self._index, number)
            self._ring.release(lease)


def _planes(source_size: tuple[int, int], _detector_size: tuple[int, int] | None) -> SlotFormat:
    return SlotFormat("planes", source_size, source_size)


def main() -> None:
    """Run the spec given on the command line and exit after the measurement."""
    spec = Spec.from_argv()
    settings = {"transport": spec.options["transport"]}
    configs = [
        CameraConfig.model_validate({"id": f"cam{index}", "source": url, **settings})
        for index, url in enumerate(spec.urls)
    ]
    rtsp_thread = network_thread()

    def make_opener(config: CameraConfig, stopping: threading.Event, on_discard: OnDiscard) -> TransportOpener:
        return rtsp_opener(config, stopping, on_discard, rtsp_thread)

    recorder = Recorder(len(spec.urls))
    cameras = [Camera(index, config, recorder, make_opener) for index, config in enumerate(configs)]
    for camera in cameras:
        camera.reader.start()
    recorder.measure(spec)
    os._exit(0)


if __name__ == "__main__":
    main()
