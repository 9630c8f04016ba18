"""Events of written actions of one camera: each starts and ends."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from stream.results import Event, Frame, Person, RuleAction
from stream.rules.runs import UNSEEN_US


class WrittenEvents:
    """Derives the events from a camera's results; keeps one event per person and action that is ongoing."""

    def __init__(self, new_id: Callable[[], str] = str) -> None:
        """`new_id` returns the id of an action that begins; by default, actions have none."""
        self._new_id = new_id
        self._current: dict[tuple[int, str], Event] = {}
        self._seen_us: dict[int, int] = {}
        """When each person with an ongoing action was last in a result, media time."""
        self._last: Frame | None = None

    def update(self, frame: Frame) -> list[Event]:
        """Return the events of the next result: first those that end the actions of before.

        A person who is missing from results goes on until they have been unseen for long, as for rules.
        """
        events = self.close() if self._last is not None and self._last.epoch != frame.epoch else []
        self._last = frame
        acting = [person for person in frame.people if person.rule_actions]
        if not acting and not self._current:
            return events
        now = {(person.track, action.label): (person, action) for person in acting for action in person.rule_actions}
        self._seen_us |= dict.fromkeys((person.track for person in frame.people), frame.media_time_us)
        for key in [key for key in self._current if key not in now]:
            seen_us = self._seen_us[key[0]]
            if seen_us == frame.media_time_us or frame.media_time_us - seen_us > UNSEEN_US:
                events.append(_ended(self._current.pop(key), frame))
        for key, (person, action) in now.items():
            ongoing = self._current.get(key)
            event = _event(frame, person, action, self._new_id() if ongoing is None else ongoing.event)
            if ongoing is None:
                events.append(event)
            self._current[key] = event
        tracks = {track for track, _ in self._current}
        self._seen_us = {track: seen for track, seen in self._seen_us.items() if track in tracks}
        return events

    def close(self) -> list[Event]:
        """End every ongoing action with the last result, and return the events."""
        ended = [] if self._last is None else [_ended(event, self._last) for event in self._current.values()]
        self._current.clear()
        self._seen_us.clear()
        return ended


def _event(frame: Frame, person: Person, action: RuleAction, name: str) -> Event:
    """Return the message that an action has started; `name`: its id."""
    return Event(
        run="",
        seq=0,
        camera=frame.camera,
        epoch=frame.epoch,
        frame=frame.frame,
        track=person.track,
        kind="started",
        label=action.label,
        previous=None,
        score=action.score,
        capture_us=frame.capture_us,
        since_us=action.since_us,
        box=person.box,
        source="rule",
        event=name,
        media_time_us=frame.media_time_us,
    )


def _ended(event: Event, frame: Frame) -> Event:
    return replace(
        event,
        kind="ended",
        frame=frame.frame,
        capture_us=frame.capture_us,
        media_time_us=frame.media_time_us,
    )
