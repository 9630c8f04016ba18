"""What was published: each message for the comparison with the archive, and which actions and alerts are open.

Messages are taken from one subscription that is never disturbed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stream.messaging.gap_filling import Gap
from stream.results import Alert, ClipReady, Event, Frame, Message, Stats, Status, topic_of

Key = tuple[str, str, str]
"""Kind, run and camera."""
UNLISTED = 3
"""Statistics that do not list an alert, after which it should have been cleared."""


def digest(*values: Any) -> int:
    """Return a checksum of some values."""
    return zlib.crc32(repr(values).encode())


def frame_digest(frame: Frame) -> int:
    """Return a checksum of what an archive keeps of a result in its table of frames."""
    return digest(frame.capture_us, frame.published_us, frame.frame, frame.media_time_us, len(frame.people))


def event_digest(event: Event) -> int:
    """Return a checksum of what an archive keeps of an event."""
    return digest(event.capture_us, event.frame, event.track, event.kind, event.label)


def status_digest(status: Status) -> int:
    """Return a checksum of what an archive keeps of a status."""
    return digest(status.at_us, status.state, status.reason, status.message)


@dataclass
class Open:
    """An action or alert that began. `over`: since when something that came later shows that it must have ended."""

    id: str
    camera: str
    run: str
    epoch: int
    began_s: float
    over_s: float | None = None
    unlisted: int = 0


class Ledger:
    """`take` each message, at a time in seconds; `overdue` lists what should have ended long ago."""

    def __init__(self, violated: Callable[..., Any]) -> None:
        self.published: dict[Key, dict[tuple[int, int], int]] = {}
        self.runs: list[str] = []
        self.events: dict[str, Open] = {}
        self.alerts: dict[str, Open] = {}
        self.alerts_began: dict[str, float] = {}
        self.clips: list[ClipReady] = []
        self.newest_frame_s: dict[str, float] = {}
        self.epochs: dict[str, int] = {}
        self._newest: dict[tuple[str, str, int, str], tuple[int, int]] = {}
        self._violated = violated

    def take(self, message: Message, at_s: float) -> None:
        """Record a message."""
        if message.run not in self.runs:
            self._new_run(message.run, at_s)
        if isinstance(message, Frame):
            self.newest_frame_s[message.camera] = at_s
            self._store(message, frame_digest(message))
            self._check_times(message)
        elif isinstance(message, Event):
            self._store(message, event_digest(message))
            self._event(message, at_s)
        elif isinstance(message, Status):
            self._store(message, status_digest(message))
            if message.state == "removed":
                self._close_before(message.run, message.camera, None, at_s)
        elif isinstance(message, Alert):
            self._alert(message, at_s)
        elif isinstance(message, ClipReady):
            self.clips.append(message)
        elif isinstance(message, Stats):
            self._stats(message)
        if isinstance(message, Frame | Event | Status) and message.epoch > self.epochs.get(message.camera, 0):
            self.epochs[message.camera] = message.epoch
            self._close_before(message.run, message.camera, message.epoch, at_s)

    def gap(self, gap: Gap) -> None:
        """Forget what may have ended in a message that is lost."""
        if gap.missed == gap.replayed:
            return
        kind, _, camera = gap.topic.strip("/").split("/")[:3] if gap.topic.count("/") > 2 else ("", "", "")
        opened = {"events": self.events, "alerts": self.alerts}.get(kind, {})
        for one in [one for one in opened.values() if one.camera == camera and one.run == gap.run]:
            del opened[one.id]

    def overdue(self, now_s: float, patience_s: float) -> list[tuple[str, Open]]:
        """Take what should have ended `patience_s` ago off the books, and return it."""
        found: list[tuple[str, Open]] = []
        for kind, opened in (("action", self.events), ("alert", self.alerts)):
            for one in list(opened.values()):
                if one.unlisted >= UNLISTED or (one.over_s is not None and now_s - one.over_s > patience_s):
                    del opened[one.id]
                    found.append((kind, one))
        return found

    def forgive_actions(self) -> None:
        """Forget all open actions: the engine is killed, and cannot publish their ends."""
        self.events.clear()

    def _store(self, message: Frame | Event | Status, value: int) -> None:
        kind = topic_of(message).partition("/")[0]
        self.published.setdefault((kind, message.run, message.camera), {})[message.epoch, message.seq] = value

    def _new_run(self, run: str, at_s: float) -> None:
        self.runs.append(run)
        self.epochs.clear()
        for one in (*self.events.values(), *self.alerts.values()):
            one.over_s = one.over_s or at_s

    def _event(self, event: Event, at_s: float) -> None:
        if event.kind == "ended":
            self.events.pop(event.event, None)
            return
        if event.previous_event is not None:
            self.events.pop(event.previous_event, None)
        self.events[event.event] = Open(event.event, event.camera, event.run, event.epoch, at_s)

    def _alert(self, alert: Alert, at_s: float) -> None:
        if alert.state == "cleared":
            self.alerts.pop(alert.alert, None)
        elif alert.state == "began":
            if alert.alert in self.alerts_began:
                self._violated("alerts", error="an alert began twice", alert=alert.alert)
            self.alerts_began[alert.alert] = at_s
            self.alerts[alert.alert] = Open(alert.alert, alert.camera, alert.run, alert.epoch, at_s)

    def _stats(self, stats: Stats) -> None:
        listed = set(stats.open_alerts or ())
        for one in self.alerts.values():
            one.unlisted = 0 if one.id in listed or one.run != stats.run else one.unlisted + 1

    def _close_before(self, run: str, camera: str, epoch: int | None, at_s: float) -> None:
        """Note that the actions and alerts of earlier epochs must have ended."""
        for one in (*self.events.values(), *self.alerts.values()):
            if one.run == run and one.camera == camera and (epoch is None or one.epoch < epoch):
                one.over_s = one.over_s or at_s

    def _check_times(self, frame: Frame) -> None:
        key = (frame.run, frame.camera, frame.epoch, frame.clock)
        media_us, capture_us = self._newest.get(key, (-1, -1))
        if frame.media_time_us < media_us:
            self._violated("times", error="media time went back", camera=frame.camera, epoch=frame.epoch, seq=frame.seq)
        if frame.capture_us < capture_us:
            self._violated(
                "times",
                error="capture time went back",
                camera=frame.camera,
                epoch=frame.epoch,
                clock=frame.clock,
                seq=frame.seq,
                by_us=capture_us - frame.capture_us,
            )
        self._newest[key] = (frame.media_time_us, frame.capture_us)
