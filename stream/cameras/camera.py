"""A running camera: settings, ring, reader thread, status, and what the current epoch has produced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta
from stream import results
from stream.alerts.alert_book import AlertBook
from stream.cameras.camera_rules import CameraRules
from stream.cameras.camera_zones import CameraZones
from stream.cameras.events import ActionEvents
from stream.cameras.look_counts import LookCounts
from stream.live.live_video import LiveVideo
from stream.messaging.publisher import Publisher
from stream.privacy.camera_exit import CameraExit
from stream.results import Alert, Event
from stream.rules.alerts import ClearReason
from stream.settings.engine import CameraConfig
from stream.sources.reader import CameraReader
from stream.sources.status import CameraStatus
from telemetry.catalogue import SECONDS_BUCKETS
from telemetry.tally import Histogram


@dataclass(slots=True)
class Camera:
    """A camera of the engine.

    The inference thread writes `tracks`, `epoch`, `events`, `zones`, `rules`, `ages` and `capture_ages`, adds to
    `looks`, and takes `on_first_result`; the event loop writes the rest.
    """

    config: CameraConfig
    ring: FrameRing
    reader: CameraReader
    status: CameraStatus
    live_video: LiveVideo
    """Its access units, for viewers of live video."""
    exit: CameraExit
    """The way by which its pixels and packets leave the engine."""
    rules: CameraRules
    new_event_id: Callable[[], str]
    """Returns the id of an action that begins."""
    stopped: bool = False
    tracks: int = 0
    epoch: int = 0
    events: ActionEvents = field(init=False)
    ages: Histogram = field(default_factory=lambda: Histogram(SECONDS_BUCKETS))
    """Seconds from a frame's arrival until its result was handed to ZeroMQ."""
    capture_ages: Histogram = field(default_factory=lambda: Histogram(SECONDS_BUCKETS))
    """Seconds from a frame's capture, if the camera reports its clock."""
    looks: LookCounts = field(default_factory=LookCounts)
    """Published frames, by what the detector looked at."""
    zones: CameraZones = field(default_factory=CameraZones)
    fps: tuple[float, float] = (0.0, 0.0)
    """Frames decoded and published per second, as last measured."""
    on_first_result: Callable[[], None] | None = None
    """Called once, in the inference thread, when the first result is published; then None."""
    held: CameraStatus | None = None
    """That it is live, until the first result is published."""
    _counted: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.events = ActionEvents(self.new_event_id)

    @property
    def staleness_ns(self) -> int:
        """Age in ns from which a frame is no longer analysed."""
        return self.config.staleness_ms * 1_000_000

    def video_refusal(self) -> str | None:
        """Return why its video cannot be sent to viewers, as the end of a sentence; None if it can."""
        if (refusal := self.exit.video_refusal) is not None:
            return refusal
        if self.config.ring_policy == "every":
            return "it is read faster than real time"
        return self.live_video.refusal()

    def enter(self, meta: FrameMeta) -> list[results.Event]:
        """Enter the epoch of a frame about to be published. Return the events that end a previous epoch."""
        if meta.epoch == self.epoch:
            return []
        closing = [*self.events.close(), *self.rules.close_events()]
        self.events = ActionEvents(self.new_event_id)
        self.epoch = meta.epoch
        return closing

    def end(self, reason: ClearReason, publisher: Publisher, alerts: AlertBook) -> None:
        """End every current action and alert, and publish that. No more frames are published."""
        for event in self.events.close():
            publisher.publish(event)
        self.publish_ended(self.rules.end(reason), publisher, alerts)
        alerts.clear(self.config.id, reason)  # those of rules that have failed

    def publish_ended(self, ended: tuple[list[Event], list[Alert]], publisher: Publisher, alerts: AlertBook) -> None:
        """Publish what the rules have ended."""
        for event in ended[0]:
            publisher.publish(event)
        alerts.take(ended[1])

    def measure(self, seconds: float) -> None:
        """Measure the rates over the `seconds` since the last call, and the recent looks."""
        self.looks.measure(seconds)
        decoded, processed = self.ring.decoded, self.ring.processed
        decoded_before, processed_before = self._counted
        self._counted = (decoded, processed)
        if seconds > 0:
            self.fps = (
                round((decoded - decoded_before) / seconds, 2),
                round((processed - processed_before) / seconds, 2),
            )

    def stats(self) -> results.CameraStats:
        """Return the counts so far and the rates as last measured."""
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
