"""The rules of a running camera, applied to its results before they are published."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import force_setattr

from stream.cameras.written_events import WrittenEvents
from stream.results import Alert, Event, Frame, Person
from stream.rules.alerts import ClearReason, Moment
from stream.rules.compiled import CompiledRules
from stream.rules.evaluator import Evaluator
from stream.rules.seen import Seen
from stream.rules.signals import signals_of
from stream.settings.zones import ZoneConfig

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
