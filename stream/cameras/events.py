"""Events of one camera: a person's smoothed action started, changed or ended."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from ring_buffers.frames import FrameMeta
from stages.types import FrameAnalysis
from stream import results
from stream.messaging.assemble import capture_time_of, rounded_box


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
