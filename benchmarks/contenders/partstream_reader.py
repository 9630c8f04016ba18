"""partstream's way in: the cameras' own readers, from the transport through the decoder into the ring, and no engine.

At the wire the packets of all cameras arrive in one thread, as in an engine. A frame counts when the ring has it:
written into its slot, which is the bare loop's copy, and committed. It is taken out again in the camera's own thread,
where the bare loop reads its barcode too, so that handing it to whoever looks at it is in the latency of neither.
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
from stream.sources.rtsp.fallback import NativeRtsp, rtsp_opener
from stream.sources.transport import TransportOpener
from telemetry.observer import Observer


class Camera:
    """One camera's reader and its ring, which is never full."""

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
    """Run as the spec says and leave the process at once when measured."""
    spec = Spec.from_argv()
    settings = {"transport": spec.options["transport"]}
    configs = [
        CameraConfig.model_validate({"id": f"cam{index}", "source": url, **settings})
        for index, url in enumerate(spec.urls)
    ]
    native_rtsp = NativeRtsp()

    def make_opener(config: CameraConfig, stopping: threading.Event, on_discard: OnDiscard) -> TransportOpener:
        return rtsp_opener(config, stopping, on_discard, native_rtsp)

    recorder = Recorder(len(spec.urls))
    cameras = [Camera(index, config, recorder, make_opener) for index, config in enumerate(configs)]
    for camera in cameras:
        camera.reader.start()
    recorder.measure(spec)
    os._exit(0)


if __name__ == "__main__":
    main()
