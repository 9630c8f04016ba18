"""One camera inside the engine: its ring, its reader thread, its place in the current epoch. Owned by the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta
from stream import results
from stream.cameras.events import ActionEvents
from stream.live.tap import PacketTap
from stream.settings.engine import CameraConfig
from stream.sources.reader import CameraReader
from stream.sources.status import CameraStatus
from telemetry.catalogue import SECONDS_BUCKETS
from telemetry.tally import Histogram


@dataclass(slots=True)
class Camera:
    """What the engine knows of a camera.

    The inference thread writes what belongs to frames (`tracks`, `epoch`, `events`, the ages), the event loop the rest.
    """

    config: CameraConfig
    ring: FrameRing
    reader: CameraReader
    status: CameraStatus
    tap: PacketTap
    """Its encoded pictures, for who looks at it live."""
    gone: bool = False
    tracks: int = 0
    epoch: int = 0
    events: ActionEvents = field(default_factory=ActionEvents)
    ages: Histogram = field(default_factory=lambda: Histogram(SECONDS_BUCKETS))
    """From frames' arrival until their results were handed to ZeroMQ, seconds."""
    capture_ages: Histogram = field(default_factory=lambda: Histogram(SECONDS_BUCKETS))
    """From frames' capture, where the camera tells its time."""
    fps: tuple[float, float] = (0.0, 0.0)
    """Frames decoded and published a second, when they were last measured."""
    _counted: tuple[int, int] = (0, 0)

    @property
    def staleness_ns(self) -> int:
        """How old a frame may be and still be analysed, monotonic ns."""
        return self.config.staleness_ms * 1_000_000

    def video_refusal(self) -> str | None:
        """Why its own pictures can't be sent to who looks, as the end of a sentence; None if they can."""
        if self.config.ring_policy == "every":
            return "it is read faster than it happened"
        return self.tap.refusal()

    def enter(self, meta: FrameMeta) -> list[results.Event]:
        """A frame of `meta.epoch` is about to be published: what ended with the epoch before, if it is a new one."""
        if meta.epoch == self.epoch:
            return []
        closing = self.events.close()
        self.events = ActionEvents()
        self.epoch = meta.epoch
        return closing

    def measure(self, seconds: float) -> None:
        """Take the rates over the `seconds` since the last call."""
        decoded, processed = self.ring.decoded, self.ring.processed
        decoded_before, processed_before = self._counted
        self._counted = (decoded, processed)
        if seconds > 0:
            self.fps = (
                round((decoded - decoded_before) / seconds, 2),
                round((processed - processed_before) / seconds, 2),
            )

    def stats(self) -> results.CameraStats:
        """Counts so far, and the rates that were measured last."""
        decoded, processed = self.ring.decoded, self.ring.processed
        return results.CameraStats(
            camera=self.config.id,
            state=self.status.state,
            epoch=self.status.epoch,
            decoded=decoded,
            processed=processed,
            dropped={str(reason): count for reason, count in self.ring.dropped.items() if count},
            fps_in=self.fps[0],
            fps_out=self.fps[1],
            tracks=self.tracks,
        )
