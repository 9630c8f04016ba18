"""Results for rules in tests: a camera's frames, and the evaluator's answers to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

from stream.results import Action, Alert, DetectedObject, Person
from stream.rules.alerts import ClearReason, Moment
from stream.rules.compiled import CompiledRules
from stream.rules.evaluator import Evaluator, Findings
from stream.rules.signals import Seen, signals_of
from stream.settings.rules import RulesConfig

S = 1_000_000
CAMERA = "lobby"
CAPTURE_US = 1_780_000_000 * S
"""Capture time of frames at media time 0."""


class Step(NamedTuple):
    """A frame's result, and what happens to the camera after it."""

    moment: Moment
    people: tuple[Person, ...] = ()
    objects: tuple[DetectedObject, ...] = ()
    ended: ClearReason | None = None
    """The evaluator is told that the results end here."""


def rules(**sections: Any) -> RulesConfig:
    """Return a rules file: `actions`, `rules` and `time_zone`."""
    return RulesConfig.model_validate(sections)


def person(track: int = 1, action: str | None = None, score: float = 0.8, **fields: Any) -> Person:
    """Return a person who does an action."""
    done = None if action is None else Action(action, score, 0, [(action, score)])
    return Person(
        **{"track": track, "box": (0.0, 0.0, 50.0, 100.0), "score": 0.9, "action": done, "parts": []} | fields
    )


def at(seconds: float, *people: Person, epoch: int = 1, frame: int = 0, capture_us: int | None = None) -> Step:
    """Return a frame at a media time; its capture time is as long after `CAPTURE_US` unless it is given."""
    media_us = round(seconds * S)
    taken_us = CAPTURE_US + media_us if capture_us is None else capture_us
    return Step(Moment(CAMERA, epoch, frame, taken_us, media_us), people)


def seen(step: Step, compiled: CompiledRules) -> list[Seen]:
    """Return a frame's people as the evaluator takes them."""
    return [
        Seen(
            one.track,
            one.box,
            tuple(one.zones),
            one.crossed,
            signals_of(one, step.objects, compiled.signals),
            lambda one=one: one,
        )
        for one in step.people
    ]


class Watch:
    """An evaluator of one camera that takes frames. Its alerts have the ids 1, 2, …"""

    def __init__(self, config: RulesConfig, camera: str = CAMERA) -> None:
        self.compiled = CompiledRules(config)
        self.evaluator = Evaluator(self.compiled, camera, map(str, count(1)).__next__)

    def use(self, config: RulesConfig) -> list[Alert]:
        """Use another rules file."""
        self.compiled = CompiledRules(config)
        return self.evaluator.use(self.compiled)

    def findings(self, step: Step) -> Findings:
        """Return what the rules say about the next frame."""
        found = self.evaluator.update(step.moment, seen(step, self.compiled))
        return found if step.ended is None else found._replace(alerts=found.alerts + self.evaluator.end(step.ended))

    def alerts(self, steps: Iterable[Step]) -> list[Alert]:
        """Return the messages about alerts of the next frames."""
        return [alert for step in steps for alert in self.findings(step).alerts]

    def holds(self, steps: Sequence[Step], action: str = "it", track: int = 1) -> list[bool]:
        """Return in which of the next frames a person does a written action."""
        found = [self.findings(step).actions.get(track, []) for step in steps]
        return [any(one.label == action for one in actions) for actions in found]


def told(alerts: Iterable[Alert]) -> list[str]:
    """Return messages in short: `3.5 began fence 7`: seconds, state, rule, zone, track, and why it was cleared."""
    return [
        " ".join(
            str(word)
            for word in (
                f"{(one.capture_us - CAPTURE_US) / S:g}",
                one.state,
                one.rule,
                one.zone,
                one.track,
                one.clear_reason,
            )
            if word is not None
        )
        for one in alerts
    ]
