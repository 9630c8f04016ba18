"""The evaluator: applies a rules file to the results of one camera, frame by frame.

It is the same for a running engine and for a back-test. It reads only what results contain, in media time, so that the
same results always give the same alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.results import Alert, RuleAction
from stream.rules.alerts import ClearReason, Moment
from stream.rules.compiled import CompiledRules
from stream.rules.conditions import NO, UNSEEN_US, For, Slots
from stream.rules.rule_state import People, RuleState, rule_state
from stream.rules.signals import Seen

MOST_OPEN = 256
"""Open alerts of a camera. Further ones begin when others are cleared."""


@dataclass(slots=True)
class _Memory:
    """What is remembered of a person between frames."""

    slots: Slots
    seen_us: int
    zones: Sequence[str] | None
    """Those in which the person was last seen; None if the camera's zones have changed since."""
    since_us: dict[str, int] = field(default_factory=dict[str, int])
    """Written action → since when it has held without a break, media time."""


class Findings(NamedTuple):
    """What the rules say about a frame: the written actions of each person, by track, and messages about alerts."""

    actions: dict[int, list[RuleAction]]
    alerts: list[Alert]


class Evaluator:
    """Applies the rules to one camera's frames, in order. `new_id` returns ids for alerts."""

    def __init__(self, rules: CompiledRules, camera: str, new_id: Callable[[], str]) -> None:
        self.camera = camera
        self._new_id = new_id
        self._last: Moment | None = None
        self._room = MOST_OPEN
        """Alerts that may begin."""
        self._people: dict[int, _Memory] = {}
        self._zones: frozenset[str] | None = None
        self._rules = rules
        self._states = [rule_state(rule, new_id) for rule in rules.rules if rule.applies_to(camera)]
        self._counts = any(state.rule.config.people is not None for state in self._states)
        """Whether a rule may begin an alert about a place without people."""

    @property
    def open(self) -> dict[str, int]:
        """The number of open alerts by rule."""
        return {state.rule.name: len(state.alerts.open) for state in self._states}

    def use(self, rules: CompiledRules) -> list[Alert]:
        """Use another rules file from the next frame on. Return the messages that clear the alerts of changed rules.

        Rules and written actions whose meaning has not changed keep their alerts and what they have seen.
        """
        before = {state.rule.name: state for state in self._states}
        states: list[RuleState] = []
        for rule in rules.rules:
            if rule.applies_to(self.camera):
                state = before.get(rule.name)
                if state is None or state.rule.meaning != rule.meaning:
                    state = rule_state(rule, self._new_id)
                else:
                    del before[rule.name]
                    state.use(rule)
                states.append(state)
        cleared = [alert for state in before.values() for alert in self._end(state, "rules")]
        self._carry_over(rules)
        self._rules, self._states = rules, states
        self._counts = any(state.rule.config.people is not None for state in states)
        self._room = MOST_OPEN - sum(len(state.alerts.open) for state in states)
        return cleared

    def place_zones(self, zones: Iterable[str]) -> None:
        """Set the camera's zones in which people are reported, before the first frame and whenever zones change.

        There is no answer about the number of people in other zones, and no person enters or leaves a zone because it
        was changed. Without this call, the camera has every zone that rules name.
        """
        self._zones = frozenset(zones)
        for memory in self._people.values():
            memory.zones = None

    def update(self, moment: Moment, people: Sequence[Seen]) -> Findings:
        """Take the next frame. A frame whose media time is before that of the last one in its epoch is ignored."""
        alerts: list[Alert] = []
        last = self._last
        if last is not None and last.epoch == moment.epoch:
            if moment.media_us < last.media_us:
                return Findings({}, [])
            if moment.media_us - last.media_us > UNSEEN_US:
                alerts = self.end("no_results")
        elif last is not None:
            alerts = self.end("epoch")
            for state in self._states:
                state.alerts.begin_epoch(last, moment)
        self._last = moment
        if not people and not self._people and not self._counts and self._room == MOST_OPEN:
            return Findings({}, alerts)  # most frames of a day
        self._remember(moment, people)
        actions: dict[int, list[RuleAction]] = {}
        if self._rules.written:
            for seen in people:
                if found := self._written(moment, seen):
                    actions[seen.track] = found
        there = People(people, self._zones)
        for state in self._states:
            for alert in state.update(moment, there, self._room):
                self._room += {"began": -1, "updated": 0, "cleared": 1}[alert.state]
                alerts.append(alert)
        return Findings(actions, alerts)

    def end(self, reason: ClearReason) -> list[Alert]:
        """Forget everything but cooldowns, and return the messages that clear all alerts, at the last frame."""
        alerts = [alert for state in self._states for alert in self._end(state, reason)]
        self._people.clear()
        self._room = MOST_OPEN
        return alerts

    # -- people -------------------------------------------------------------------------------------------------
    def _remember(self, moment: Moment, people: Sequence[Seen]) -> None:
        oldest_us = moment.media_us - UNSEEN_US
        if gone := {track for track, memory in self._people.items() if memory.seen_us < oldest_us}:
            for track in gone:
                del self._people[track]
            for state in self._states:
                state.forget(gone)
        for seen in people:
            memory = self._people.get(seen.track)
            if memory is None:
                memory = self._people[seen.track] = _Memory([None] * self._rules.slots, moment.media_us, seen.zones)
            elif seen.zones != memory.zones:
                if memory.zones is not None:
                    before, now = frozenset(memory.zones), frozenset(seen.zones)
                    seen.entered, seen.left = now - before, before - now
                memory.zones = seen.zones
            memory.seen_us = moment.media_us

    def _carry_over(self, rules: CompiledRules) -> None:
        """Keep of people's memories what belongs to written actions that mean the same in these rules."""
        before = {action.name: action for action in self._rules.written}
        kept = [
            (action, old)
            for action in rules.written
            if (old := before.get(action.name)) is not None and old.meaning == action.meaning
        ]
        for memory in self._people.values():
            slots: Slots = [None] * rules.slots
            for action, old in kept:
                slots[action.slots] = memory.slots[old.slots]
            memory.slots = slots
            memory.since_us = {
                action.name: memory.since_us[action.name] for action, _ in kept if action.name in memory.since_us
            }

    def _written(self, moment: Moment, seen: Seen) -> list[RuleAction]:
        """Put the scores of written actions before the person's values, and return those that hold."""
        written = self._rules.written
        values = seen.values = [0.0] * len(written) + seen.values
        memory = self._people[seen.track]
        slots, since = memory.slots, memory.since_us
        found: list[RuleAction] = []
        for action in written:
            score = action.node.score(values, slots, moment.media_us)
            if score == NO:
                if since:
                    since.pop(action.name, None)
                continue
            values[action.index] = score
            since_us = since.setdefault(action.name, moment.media_us)
            if isinstance(action.node, For):
                since_us = action.node.since_us(slots)
            parts = list(dict.fromkeys(action.node.parts(values)))
            seen.parts = {**(seen.parts or {}), action.name: parts}
            capture_us = max(moment.capture_us - (moment.media_us - since_us), 0)
            found.append(RuleAction(action.name, round(score, 4), capture_us, "rule", parts))
        return sorted(found, key=_label) if len(found) > 1 else found

    def _end(self, state: RuleState, reason: ClearReason) -> Iterable[Alert]:
        return [] if self._last is None else state.end(self._last, reason)


def _label(action: RuleAction) -> str:
    return action.label
