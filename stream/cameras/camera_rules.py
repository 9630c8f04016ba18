"""The rules of a running camera, applied to its results before they are published."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import force_setattr, replace

from stream.results import Alert, Event, Frame, Person, RuleAction
from stream.rules.alerts import ClearReason, Moment
from stream.rules.compiled import CompiledRules
from stream.rules.conditions import UNSEEN_US
from stream.rules.evaluator import Evaluator
from stream.rules.signals import Seen, signals_of
from stream.settings.zones import ZoneConfig


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
        event, kind="ended", frame=frame.frame, capture_us=frame.capture_us, media_time_us=frame.media_time_us
    )


SILENT_S = 10.0
"""Time without a result after which open alerts are cleared. The evaluator needs the next result for that."""


class CameraRules:
    """Applies the rules in force to the results of one camera. Runs in the inference thread."""

    def __init__(self, camera: str, new_id: Callable[[], str], new_event_id: Callable[[], str] = str) -> None:
        """`new_id` and `new_event_id` return the ids of alerts, and of the actions of events."""
        self._camera = camera
        self._new_id = new_id
        self._rules: CompiledRules | None = None
        self._evaluator: Evaluator | None = None
        self._events = WrittenEvents(new_event_id)
        self._applied_at = 0.0
        self._zones: Mapping[str, ZoneConfig] | None = None
        self._failed: CompiledRules | None = None
        """Rules that have raised an error."""

    def apply(
        self, frame: Frame, rules: CompiledRules | None, zones: Mapping[str, ZoneConfig]
    ) -> tuple[list[Event], list[Alert]]:
        """Add the written actions to the people of a result that is about to be published.

        `rules`: those in force; `zones`: the camera's. Returns the events of written actions and the messages about
        alerts, to be published after the result. Raises whatever the rules raise, which is a bug: the camera is then
        without these rules.
        """
        if self._evaluator is None and (rules is None or rules is self._failed):
            return [], []
        self._applied_at = time.monotonic()
        try:
            return self._apply(frame, rules, zones)
        except Exception:
            self._failed, self._evaluator = rules, None
            raise

    def close_events(self) -> list[Event]:
        """End the ongoing written actions of an epoch, and return the events."""
        return self._events.close()

    def end(self, reason: ClearReason) -> tuple[list[Event], list[Alert]]:
        """End everything that is ongoing, and return the events and messages. Cooldowns go on."""
        return self._events.close(), [] if self._evaluator is None else self._evaluator.end(reason)

    def end_if_silent(self) -> tuple[list[Event], list[Alert]]:
        """End everything that is ongoing if there was no result for `SILENT_S`, as `end` does."""
        if self._evaluator is None or time.monotonic() - self._applied_at < SILENT_S:
            return [], []
        return self.end("no_results")

    def _apply(
        self, frame: Frame, rules: CompiledRules | None, zones: Mapping[str, ZoneConfig]
    ) -> tuple[list[Event], list[Alert]]:
        changed: list[Alert] = []
        if rules is not self._rules:
            changed = self._use(rules)
        if self._evaluator is None or rules is None:
            return self._events.update(frame), changed
        if zones is not self._zones:
            if zones != self._zones:
                self._evaluator.place_zones(name for name, zone in zones.items() if not zone.ignore)
            self._zones = zones
        moment = Moment(self._camera, frame.epoch, frame.frame, frame.capture_us, frame.media_time_us)
        people = [
            Seen(
                person.track,
                person.box,
                person.zones,
                person.crossed,
                signals_of(person, frame.objects, rules.signals),
                partial(_same, person),
            )
            for person in frame.people
        ]
        findings = self._evaluator.update(moment, people)
        for person in frame.people:
            if (actions := findings.actions.get(person.track)) is not None:
                force_setattr(person, "rule_actions", actions)
        return self._events.update(frame), changed + findings.alerts

    def _use(self, rules: CompiledRules | None) -> list[Alert]:
        self._rules = rules
        self._failed = None
        if rules is None:
            ended, self._evaluator = self._evaluator, None
            return [] if ended is None else ended.end("rules")
        if self._evaluator is None:
            self._evaluator, self._zones = Evaluator(rules, self._camera, self._new_id), None
            return []
        return self._evaluator.use(rules)


def _same(person: Person) -> Person:
    return person
