"""Written actions by definition: for each frame, all frames so far are searched again. Slow, and without memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from stream.results import Part, Person
from stream.settings.conditions import Condition
from stream.settings.rules import RulesConfig
from support.rules.steps import Step

BRIDGED_US = 500_000
GAP_US = 3_000_000


class History:
    """The frames of a camera that count: none is older than one before it in its epoch."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps: list[Step] = []
        self.index: list[int | None] = []
        """Of each frame given, its index among those that count; None if it does not."""
        for step in steps:
            last = self.steps[-1].moment if self.steps else None
            late = last is not None and last.epoch == step.moment.epoch and step.moment.media_us < last.media_us
            self.index.append(None if late else len(self.steps))
            if not late:
                self.steps.append(step)
            elif step.ended is not None:
                self.steps[-1] = self.steps[-1]._replace(ended=step.ended)

    def media_us(self, frame: int) -> int:
        """Return the frame's media time."""
        return self.steps[frame].moment.media_us

    def breaks(self, frame: int) -> str | None:
        """Return why nothing is known of the time between the frame before and this one; None if it is."""
        before, now = self.steps[frame - 1].moment, self.steps[frame].moment
        if before.epoch != now.epoch:
            return "epoch"
        if now.media_us - before.media_us > GAP_US:
            return "no_results"
        return self.steps[frame - 1].ended

    def stretch(self, frame: int) -> range:
        """Return the frames up to this one, of which each follows the one before without a break."""
        first = frame
        while first > 0 and self.breaks(first) is None:
            first -= 1
        return range(first, frame + 1)

    def person(self, track: int, frame: int) -> Person | None:
        """Return the person with this track in the frame."""
        return next((one for one in self.steps[frame].people if one.track == track), None)

    def sightings(self, track: int, frame: int) -> list[int]:
        """Return the frames up to this one in which the person was seen, none more than 3 s after the one before."""
        found: list[int] = []
        later = frame
        for earlier in reversed(self.stretch(frame)):
            if self.person(track, earlier) is not None:
                if self.media_us(later) - self.media_us(earlier) > GAP_US:
                    break
                found.insert(0, earlier)
                later = earlier
        return found


def lasting_since(observations: Sequence[tuple[int, bool]], least_us: int) -> int | None:
    """Return since when something has held that has for `least_us`; None if it has not.

    `observations`: times, and whether it held. Interruptions shorter than 0.5 s from when it last held until it holds
    again do not count, unless `least_us` is 0.
    """
    held = [index for index, (_, holds) in enumerate(observations) if holds]
    if not held:
        return None
    first = last = held[-1]
    if last < len(observations) - 1 and (not least_us or observations[-1][0] - observations[last][0] >= BRIDGED_US):
        return None
    for earlier in reversed(held[:-1]):
        if first - earlier > 1 and observations[first][0] - observations[earlier][0] >= BRIDGED_US:
            break
        first = earlier
    return observations[first][0] if observations[last][0] - observations[first][0] >= least_us else None


class PlainConditions:
    """Conditions on the people of a history. Answers are kept, because the same questions are asked often."""

    def __init__(self, config: RulesConfig, history: History) -> None:
        self.config = config
        self.history = history
        self._known: dict[tuple[Any, ...], float | None] = {}

    def action_score(self, name: str, track: int, frame: int) -> float | None:
        """Return the score of an action that the person does, written or the model's; None if not."""
        if (written := self.config.actions.get(name)) is not None:
            return self.score(written, None, track, frame)
        action = self._person(track, frame).action
        return action.score if action is not None and action.label == name and action.score > 0 else None

    def done(self, name: str, least: float | None, track: int, frame: int) -> float | None:
        """Return the score of an action if it is high enough: at least 0.5 by default, unless it is a written one."""
        score = self.action_score(name, track, frame)
        needed = least if least is not None else 0.0 if name in self.config.actions else 0.5
        return score if score is not None and score >= needed else None

    def written_since(self, name: str, track: int, frame: int) -> int:
        """Return since when the person has done a written action, which they do in this frame; media time."""
        condition, history = self.config.actions[name], self.history
        sightings = history.sightings(track, frame)
        if condition.for_:
            held = [
                (history.media_us(one), self._bare_score(condition, None, track, one) is not None) for one in sightings
            ]
            since_us = lasting_since(held, condition.for_)
            assert since_us is not None
            return since_us
        return history.media_us(self._began(condition, None, track, frame))

    def parts(self, condition: Condition, least: float | None, track: int, frame: int) -> list[str]:
        """Return the parts whose tests hold in this frame, except inside `not`; of `then`, those of the last."""
        least = condition.score if condition.score is not None else least
        if condition.part is not None:
            return [] if self._test(condition, least, track, frame) is None else [condition.part]
        inside = condition.all or condition.any or (condition.then or [])[-1:]
        return list(dict.fromkeys(part for one in inside for part in self.parts(one, least, track, frame)))

    def score(self, condition: Condition, least: float | None, track: int, frame: int) -> float | None:
        """Return the score with which a condition holds, None if it does not."""
        key = (id(condition), least, track, frame)
        if key not in self._known:
            self._known[key] = self._score(condition, least, track, frame)
        return self._known[key]

    def _score(self, condition: Condition, least: float | None, track: int, frame: int) -> float | None:
        if not condition.for_:
            return self._bare_score(condition, least, track, frame)
        history = self.history
        scores = [
            (history.media_us(one), self._bare_score(condition, least, track, one))
            for one in history.sightings(track, frame)
        ]
        if lasting_since([(time, score is not None) for time, score in scores], condition.for_) is None:
            return None
        return [score for _, score in scores if score is not None][-1]

    def _bare_score(self, condition: Condition, least: float | None, track: int, frame: int) -> float | None:
        """Return the score of a condition without its `for`."""
        least = condition.score if condition.score is not None else least
        if condition.not_ is not None:
            return 1.0 if self.score(condition.not_, least, track, frame) is None else None
        if condition.all is not None or condition.any is not None:
            scores = [self.score(one, least, track, frame) for one in condition.all or condition.any or []]
            held = [score for score in scores if score is not None]
            if condition.all is not None:
                return min(held) if len(held) == len(scores) else None
            return max(held, default=None)
        if condition.then is not None:
            counts = self._step(condition, len(condition.then) - 1, least, track, frame)
            return self.score(condition.then[-1], least, track, frame) if counts else None
        if condition.action is not None:
            scores = [self.done(name, least, track, frame) for name in condition.actions]
            return max((score for score in scores if score is not None), default=None)
        return self._test(condition, least, track, frame)

    def _step(self, condition: Condition, step: int, least: float | None, track: int, frame: int) -> bool:
        """Return whether a step of `then` holds, and began to after a frame of the step before it, soon enough."""
        assert condition.then is not None and condition.within is not None
        if self.score(condition.then[step], least, track, frame) is None:
            return False
        if step == 0:
            return True
        began = self._began(condition.then[step], least, track, frame)
        return any(
            self.history.media_us(began) - self.history.media_us(one) <= condition.within
            and self._step(condition, step - 1, least, track, one)
            for one in self.history.sightings(track, frame)
            if one < began
        )

    def _began(self, condition: Condition, least: float | None, track: int, frame: int) -> int:
        """Return the frame since which a condition has held whenever the person was seen."""
        began = frame
        for earlier in reversed(self.history.sightings(track, frame)):
            if self.score(condition, least, track, earlier) is None:
                break
            began = earlier
        return began

    # -- tests of one frame ---------------------------------------------------------------------------------------
    def _person(self, track: int, frame: int) -> Person:
        person = self.history.person(track, frame)
        assert person is not None
        return person

    def _test(self, condition: Condition, least: float | None, track: int, frame: int) -> float | None:
        person = self._person(track, frame)
        if condition.part is None:
            return 1.0 if _measure_holds(condition, person) else None
        parts = {part.part: part for part in person.parts}
        part = parts.get(condition.part)
        if part is None:
            return None
        if condition.state is not None:
            score = dict(part.states).get(condition.state, 0.0)
            return score if score > 0 and score >= (0.5 if least is None else least) else None
        scored, holds = [part], False
        if condition.holds is not None:
            holds = part.holds is not None and condition.holds in ("any", part.holds)
        elif condition.near_object is not None:
            boxes = [found.box for found in self.history.steps[frame].objects if found.label == condition.near_object]
            holds = any(_share(_to_box(part, box), person) <= condition.distance for box in boxes)
        elif (other := parts.get(condition.near or condition.above or "")) is not None:
            scored.append(other)
            if condition.near is not None:
                holds = _share(math.dist(_middle(part), _middle(other)), person) <= condition.distance
            elif person.stature:
                holds = (_middle(other)[1] - _middle(part)[1]) / person.stature >= condition.by
        score = min(one.score for one in scored)
        return score if holds and score > 0 and score >= (0.2 if least is None else least) else None


def _measure_holds(condition: Condition, person: Person) -> bool:
    if condition.posture is not None:
        trunk = person.trunk
        return trunk is not None and condition.posture == (
            "upright" if trunk < 30 else "leaning" if trunk < 60 else "level"
        )
    limits, value = (condition.hips, person.hips) if condition.hips is not None else (condition.speed, person.speed)
    assert limits is not None
    return (
        value is not None
        and (limits.at_least is None or value >= limits.at_least)
        and (limits.at_most is None or value <= limits.at_most)
    )


def _middle(part: Part) -> tuple[float, float]:
    x1, y1, x2, y2 = part.box
    return ((x1 + x2) / 2, (y1 + y2) / 2)


def _to_box(part: Part, box: tuple[float, float, float, float]) -> float:
    x, y = _middle(part)
    return math.dist((x, y), (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])))


def _share(pixels: float, person: Person) -> float:
    """Return a distance in statures."""
    return pixels / person.stature if person.stature else math.inf
