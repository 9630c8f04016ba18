"""A running camera: settings, ring, reader thread, status, and what the current epoch has produced.

Where the people of a running camera are: measures, zones and lines, applied to its analyses.

Zones and lines may change at any time. All are computed from the numbers that are published, so that a reader of
results can compute the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta
from stages.types import FrameAnalysis
from stream import results
from stream.alerts.alert_book import AlertBook
from stream.cameras.camera_rules import CameraRules
from stream.cameras.look_counts import LookCounts
from stream.live.live_video import LiveVideo
from stream.messaging.assemble import NO_PLACES, Place, capture_time_of, published_parts, rounded_box
from stream.messaging.publisher import Publisher
from stream.privacy.camera_exit import CameraExit
from stream.results import Alert, Event
from stream.rules.alerts import ClearReason
from stream.rules.bodies import Bodies, SeenParts
from stream.rules.lines import Lines
from stream.rules.zones import Zones
from stream.settings.engine import CameraConfig
from stream.settings.zones import LineConfig, ZoneConfig
from stream.sources.reader import CameraReader
from stream.sources.status import CameraStatus
from telemetry.catalogue import SECONDS_BUCKETS
from telemetry.tally import Histogram


@dataclass(slots=True)
class _Current:
    """The action of one track, as last seen."""

    id: str
    label: str
    since_media_us: int
    score: float
    box: results.Box
    experimental: bool


class ActionEvents:
    """Derives events from the analyses of one camera and epoch; keeps one label per live track."""

    def __init__(self, new_id: Callable[[], str] = str) -> None:
        """`new_id` returns the id of an action that begins; by default, actions have none."""
        self._new_id = new_id
        self._current: dict[int, _Current] = {}
        self._last: FrameMeta | None = None

    def update(
        self, meta: FrameMeta, analysis: FrameAnalysis, experimental: Collection[str] = ()
    ) -> list[results.Event]:
        """Return the events of this frame: first the actions that started or changed, then those that ended.

        `experimental`: the model's experimental actions, which are marked.
        """
        self._last = meta
        events: list[results.Event] = []
        for person in analysis.people:
            action = person.action
            if action is None:
                continue
            box = rounded_box(person.box)
            before = self._current.get(person.track)
            if before is not None and before.label == action.smoothed:
                before.score, before.box = action.smoothed_score, box
                continue
            now = self._current[person.track] = _Current(
                self._new_id(),
                action.smoothed,
                meta.media_us,
                action.smoothed_score,
                box,
                action.smoothed in experimental,
            )
            if before is None:
                events.append(_event(meta, person.track, "started", now))
            else:
                events.append(_event(meta, person.track, "changed", now, before))
        for track in analysis.ended:
            events.extend(self._end(track, meta))
        return events

    def close(self) -> list[results.Event]:
        """End the epoch. Return the events that end every current action with the last frame."""
        if self._last is None:
            return []
        return [event for track in list(self._current) for event in self._end(track, self._last)]

    def _end(self, track: int, meta: FrameMeta) -> list[results.Event]:
        ended = self._current.pop(track, None)
        if ended is None:
            return []
        return [_event(meta, track, "ended", ended)]


def _event(
    meta: FrameMeta,
    track: int,
    kind: Literal["started", "changed", "ended"],
    action: _Current,
    previous: _Current | None = None,
) -> results.Event:
    """Return the message; the publisher fills in run and number."""
    return results.Event(
        run="",
        seq=0,
        camera=meta.camera,
        epoch=meta.epoch,
        frame=meta.frame,
        track=track,
        kind=kind,
        label=action.label,
        previous=None if previous is None else previous.label,
        score=round(action.score, 4),
        capture_us=meta.capture_us,
        since_us=capture_time_of(meta, action.since_media_us),
        box=action.box,
        experimental=action.experimental,
        event=action.id,
        previous_event=None if previous is None else previous.id or None,
        media_time_us=meta.media_us,
    )


class CameraZones:
    """Follows where the people of one camera are. Runs in the inference thread."""

    def __init__(self) -> None:
        self._epoch = 0
        self._bodies = Bodies((0, 0))
        self._configured_zones: Mapping[str, ZoneConfig] | None = None
        self._zones: Zones | None = None
        self._configured_lines: Mapping[str, LineConfig] | None = None
        self._lines: Lines | None = None

    def apply(
        self, meta: FrameMeta, analysis: FrameAnalysis, zones: Mapping[str, ZoneConfig], lines: Mapping[str, LineConfig]
    ) -> tuple[FrameAnalysis, Mapping[int, Place]]:
        """Return the analysis without people who are ignored, and the places of the others by track.

        The tracks of those who are ignored are in its `ended`, so that their actions end.
        """
        self._configure(meta, zones, lines)
        ended = analysis.ended
        if not analysis.people and not ended:
            return analysis, NO_PLACES
        people = [
            SeenParts(person.track, rounded_box(person.box), published_parts(person)) for person in analysis.people
        ]
        bodies = self._bodies.update(people, meta.media_us, ended)
        inside = None if self._zones is None else self._zones.update(bodies, ended)
        reported = bodies if inside is None else [body for body in bodies if body.track in inside]
        crossed = {} if self._lines is None else self._lines.update(reported, ended)
        if not people:
            return analysis, NO_PLACES
        places = {
            body.track: Place(
                seen.parts, body, () if inside is None else inside[body.track], crossed.get(body.track, ())
            )
            for seen, body in zip(people, bodies, strict=True)
            if inside is None or body.track in inside
        }
        if len(places) == len(people):
            return analysis, places
        kept = [person for person in analysis.people if person.track in places]
        ignored = [person.track for person in analysis.people if person.track not in places]
        return replace(analysis, people=kept, ended=[*ended, *ignored]), places

    def _configure(self, meta: FrameMeta, zones: Mapping[str, ZoneConfig], lines: Mapping[str, LineConfig]) -> None:
        """Begin a new epoch, or with other zones or lines; equal ones keep who is where."""
        new_epoch = meta.epoch != self._epoch
        if not new_epoch and zones is self._configured_zones and lines is self._configured_lines:
            return
        if new_epoch:
            self._epoch, self._bodies = meta.epoch, Bodies(meta.size)
        if new_epoch or (zones is not self._configured_zones and zones != self._configured_zones):
            self._zones = Zones(zones, meta.size) if zones else None
        if new_epoch or (lines is not self._configured_lines and lines != self._configured_lines):
            self._lines = Lines(lines, meta.size) if lines else None
        self._configured_zones, self._configured_lines = zones, lines


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
