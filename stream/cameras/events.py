"""Events of one camera: a person's smoothed action started, changed or ended. Pure; one object a camera and epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ring_buffers.frames import FrameMeta
from stages.types import FrameAnalysis
from stream import results
from stream.messaging.assemble import capture_time_of, rounded_box


@dataclass(slots=True)
class _Current:
    label: str
    since_media_us: int
    score: float
    box: results.Box


class ActionEvents:
    """Turns analyses into transitions; remembers one label for each live track of the epoch, no more."""

    def __init__(self) -> None:
        self._current: dict[int, _Current] = {}
        self._last: FrameMeta | None = None

    def update(self, meta: FrameMeta, analysis: FrameAnalysis) -> list[results.Event]:
        """What changed with this frame, in the order: actions begun or changed, then those ended."""
        self._last = meta
        changes: list[results.Event] = []
        for person in analysis.people:
            action = person.action
            if action is None:
                continue
            box = rounded_box(person.box)
            now = self._current.get(person.track)
            if now is not None and now.label == action.smoothed:
                now.score, now.box = action.smoothed_score, box
                continue
            self._current[person.track] = _Current(action.smoothed, meta.media_us, action.smoothed_score, box)
            kind = "started" if now is None else "changed"
            previous = None if now is None else now.label
            changes.append(_event(meta, person.track, kind, self._current[person.track], previous))
        for track in analysis.ended:
            changes.extend(self._end(track, meta))
        return changes

    def close(self) -> list[results.Event]:
        """The epoch is over: every action still going on has ended with its last frame."""
        if self._last is None:
            return []
        return [change for track in list(self._current) for change in self._end(track, self._last)]

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
    previous: str | None = None,
) -> results.Event:
    """The message; the publisher fills in run and number."""
    return results.Event(
        run="",
        seq=0,
        camera=meta.camera,
        epoch=meta.epoch,
        frame=meta.frame,
        track=track,
        kind=kind,
        label=action.label,
        previous=previous,
        score=round(action.score, 4),
        capture_us=meta.capture_us,
        since_us=capture_time_of(meta, action.since_media_us),
        box=action.box,
    )
