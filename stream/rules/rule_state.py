"""One rule applied to one camera: which people it matches, for how long, and its alerts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence
from typing import NamedTuple

from stream.results import Alert, Person
from stream.rules.alerts import ClearReason, Finding, Key, Moment, RuleAlerts
from stream.rules.compiled import Rule, WantedAction
from stream.rules.conditions import POSTURES, Run
from stream.rules.signals import Seen
from stream.settings.values import duration_text

MOST_PARTS = 2
"""Parts named, the most relevant first; archives keep at least as many."""
LOW_HIPS = 0.35
"""Height in statures from which hips are called low; they are at 0.53 in a standing adult (Drillis and Contini)."""


def person_reason(
    action: tuple[str, float] | None, place: str, lasted_us: int, person: Person, parts: Sequence[str]
) -> str:
    """Return why there is an alert about a person.

    `action` with its score, if the rule has one; `place`: `in hall`, or a verb first: `crosses fence to the left`.
    `parts`: those that a written action names. An action is explained by parts and posture, where these are known.
    """
    moment = bool(place) and not place.startswith("in ")
    lasted = [f"for {duration_text(lasted_us)}"] if lasted_us > 0 and not moment else []
    if action is None:
        return " ".join(["person", *([place] if place else []), *lasted])
    done = " ".join([f"{_words(action[0])} {action[1]:.2f}", *lasted])
    sentence = f"{done} and {place}" if moment else f"{done} {place}".rstrip()
    details = _details(person, parts)
    return f"{sentence}: {', '.join(details)}" if details else sentence


def count_reason(people: int, action: str | None, place: str, lasted_us: int) -> str:
    """Return why there is an alert about a number of people."""
    what = [f"{people} {'person' if people == 1 else 'people'}"]
    if action is not None:
        what.append(f"doing {_words(action)}")
    if place:
        what.append(place)
    if lasted_us > 0:
        what.append(f"for {duration_text(lasted_us)}")
    return " ".join(what)


def _details(person: Person, parts: Sequence[str]) -> list[str]:
    """Return what explains an action: the parts that a written one names, else the most relevant parts' states."""
    if parts:
        details = [_words(part) for part in dict.fromkeys(parts)]
    else:
        relevant = sorted(person.parts, key=lambda part: -part.relevance)[:MOST_PARTS]
        details = [f"{_words(part.part)} {_words(part.states[0][0])}" for part in relevant if part.states]
    hips, trunk = person.hips, person.trunk
    if hips is not None and hips < LOW_HIPS:
        details.append("hips low")
    if trunk is not None and not trunk < POSTURES["level"][0]:
        details.append("trunk level")
    return details


def _words(label: str) -> str:
    return label.replace("_", " ")


class _Match(NamedTuple):
    """A person who meets a rule's conditions in a frame; `action` is None if the rule has none."""

    seen: Seen
    action: WantedAction | None


class People:
    """The people in a frame, as rules look for them."""

    def __init__(self, people: Sequence[Seen], zones: frozenset[str] | None) -> None:
        """`zones`: the camera's, None if it has every zone that rules name."""
        self.all = people
        self.zones = zones
        self.tracks = {seen.track for seen in people}
        self.inside: dict[str, list[Seen]] = {}
        """By the zones that they are in."""
        self.moved: list[Seen] = []
        """Those who entered or left a zone, or crossed a line."""
        for seen in people:
            for zone in seen.zones:
                self.inside.setdefault(zone, []).append(seen)
            if seen.crossed or seen.entered or seen.left:
                self.moved.append(seen)


def rule_state(rule: Rule, new_id: Callable[[], str]) -> RuleState:
    """Return a state of this rule that has seen nothing."""
    if rule.config.momentary is not None:
        return _PassingState(rule, new_id)
    return _PersonState(rule, new_id) if rule.config.people is None else _CountState(rule, new_id)


class RuleState(ABC):
    """A rule and what it remembers: for how long its conditions have held, people's stays in its zones, its alerts."""

    def __init__(self, rule: Rule, new_id: Callable[[], str]) -> None:
        self.alerts = RuleAlerts(rule, new_id)
        self._runs: dict[Key, Run] = {}
        self._stays: dict[Key, Run] = {}
        """Of people in the zones, for `dwell`."""
        self._matches: dict[Key, _Match] = {}
        """The last match of each run, also for frames in which an interruption is bridged."""
        self._zones = rule.config.zones
        self._for_us = rule.config.for_ or 0
        self._dwell_us = rule.config.dwell
        self.use(rule)

    def use(self, rule: Rule) -> None:
        """Use this rule, which has the same meaning, from now on: its actions may have other indices."""
        self.rule = self.alerts.rule = rule
        self._actions = rule.actions
        self._hours = rule.hours

    @abstractmethod
    def update(self, moment: Moment, people: People, room: int) -> Sequence[Alert]:
        """Take the next frame, and return its messages. `room`: alerts that may begin."""

    def end(self, moment: Moment, reason: ClearReason) -> list[Alert]:
        """Clear all alerts at this moment and forget what was seen. Cooldowns go on."""
        for memory in (self._runs, self._stays, self._matches):
            memory.clear()
        return self.alerts.end(moment, reason)

    def forget(self, tracks: Container[object]) -> None:
        """Forget people who have not been seen for long. The alerts about them are cleared by `update`."""
        for memory in (self._runs, self._stays, self._matches):
            if memory:
                for key in [key for key in memory if key.track in tracks]:
                    del memory[key]

    @abstractmethod
    def _describe(self, key: Key, lasted_us: int) -> Finding: ...

    def _stay(self, people: People, media_us: int) -> None:
        """Take note of who is in the zones, for `dwell`."""
        stays, tracks = self._stays, people.tracks
        inside = [Key(zone, seen.track) for zone in self._zones for seen in people.inside.get(zone, ())]
        for key in inside:
            run = stays.get(key)
            if run is None:
                run = stays[key] = Run()
            run.add(True, media_us)
        if len(inside) < len(stays):
            for key, run in stays.items():
                if key.track in tracks and key not in inside:
                    run.add(False, media_us)

    def _stayed(self, zone: str, track: int, media_us: int) -> bool:
        """Return whether a person in this zone has been in it for the rule's `dwell`."""
        return self._dwell_us is None or self._stays[Key(zone, track)].lasted(self._dwell_us, media_us)

    def _matching(self, people: People, media_us: int) -> dict[Key, _Match]:
        """Return the people who meet the conditions of one frame, by the place at which they are."""
        found: dict[Key, _Match] = {}
        does, inside = self._does, people.inside
        for zone in self._zones or (None,):
            for seen in people.all if zone is None else inside.get(zone, ()):
                if does(seen) and (zone is None or self._stayed(zone, seen.track, media_us)):
                    found[Key(zone, seen.track)] = self._match(seen)
        return found

    def _does(self, seen: Seen) -> bool:
        """Return whether a person does one of the rule's actions, or the rule has none."""
        actions = self._actions
        if not actions:
            return True
        values = seen.values
        for action in actions:
            score = values[action.index]
            if score > 0 and score >= action.least:  # a score of 0 is that of an action that the person does not do
                return True
        return False

    def _match(self, seen: Seen) -> _Match:
        """Return the match of a person who does one of the rule's actions: of several, that with the highest score."""
        best, highest = None, 0.0
        for action in self._actions:
            score = seen.values[action.index]
            if score >= action.least and score > highest:
                best, highest = action, score
        return _Match(seen, best)

    def _finding(self, key: Key, lasted_us: int, place: str) -> Finding:
        """Return what an alert says about a person. `place`: where, in words."""
        seen, action = self._matches[key]
        done = None if action is None else (action.name, round(seen.values[action.index], 4))
        parts = () if action is None else (seen.parts or {}).get(action.name, ())
        reason = person_reason(done, place, lasted_us, seen.person(), parts)
        return Finding(reason, done and done[0], done and done[1], None, seen.box)


class _PersonState(RuleState):
    """A rule about what each person does, and where."""

    def update(self, moment: Moment, people: People, room: int) -> Sequence[Alert]:
        runs, is_open = self._runs, self.alerts.open
        if not people.all and not is_open and not runs:
            return ()
        now = moment.media_us
        if self._dwell_us is not None:
            self._stay(people, now)
        matches = self._matching(people, now)
        if not matches and not runs and not is_open:
            return ()
        holding: dict[Key, int] = {}
        if self._hours is None or self._hours.include(moment.capture_us):
            holding = self._lasting(matches, people.tracks, now)
        else:
            runs.clear()
        return self.alerts.update(moment, holding, people.tracks, room, self._describe) if holding or is_open else ()

    def _lasting(self, matches: dict[Key, _Match], present: Container[object], media_us: int) -> dict[Key, int]:
        """Return the keys whose conditions have held for long enough, and since when.

        Conditions do not hold for keys of present tracks that are not in `matches`; of tracks that are not present, it
        is unknown.
        """
        runs, for_us = self._runs, self._for_us
        self._matches |= matches
        holding: dict[Key, int] = {}
        for key in matches:
            run = runs.get(key)
            if run is None:
                run = runs[key] = Run()
            run.add(True, media_us)
            if run.lasted(for_us, media_us):
                holding[key] = run.since_us
        if len(matches) < len(runs):
            for key in [key for key in runs if key.track in present and key not in matches]:
                run = runs[key]
                run.add(False, media_us)
                if run.over(media_us):
                    del runs[key]
                    self._matches.pop(key, None)
                elif run.lasted(for_us, media_us):
                    holding[key] = run.since_us
        if self._dwell_us is not None and not self._actions:  # the stay is what has lasted
            return {key: self._stays[key].since_us for key in holding}
        return holding

    def _describe(self, key: Key, lasted_us: int) -> Finding:
        return self._finding(key, lasted_us, "" if key.place is None else f"in {key.place}")


class _PassingState(RuleState):
    """A rule about people who enter or leave a zone, or cross a line."""

    def update(self, moment: Moment, people: People, room: int) -> Sequence[Alert]:
        now = moment.media_us
        if self._dwell_us is not None:
            self._stay(people, now)
        matches: dict[Key, _Match] = {}
        if people.moved and (self._hours is None or self._hours.include(moment.capture_us)):
            for seen in people.moved:
                if self._does(seen) and (place := self._passed(seen, now)) is not None:
                    matches[Key(place, seen.track)] = self._match(seen)
        if not matches and not self.alerts.open:
            return ()
        self._matches = matches
        return self.alerts.update(moment, dict.fromkeys(matches, now), people.tracks, room, self._describe)

    def _passed(self, seen: Seen, media_us: int) -> str | None:
        """Return the zone or line of the rule if the person passes it in this frame."""
        config = self.rule.config
        if self._zones and not any(
            zone in seen.zones and self._stayed(zone, seen.track, media_us) for zone in self._zones
        ):
            return None
        if config.crosses is not None:
            passed = any(line == config.crosses and config.to in (None, side) for line, side in seen.crossed)
            return config.crosses if passed else None
        if config.enters is not None:
            return config.enters if config.enters in seen.entered else None
        return config.leaves if config.leaves is not None and config.leaves in seen.left else None

    def _describe(self, key: Key, lasted_us: int) -> Finding:
        config = self.rule.config
        if config.crosses is None:
            return self._finding(key, lasted_us, f"{'enters' if config.enters else 'leaves'} {key.place}")
        crossed = self._matches[key].seen.crossed
        sides = [side for line, side in crossed if line == key.place and config.to in (None, side)]
        return self._finding(key, lasted_us, f"crosses {key.place} to the {sides[-1]}")


class _CountState(RuleState):
    """A rule about the number of people, at each place that it names."""

    def __init__(self, rule: Rule, new_id: Callable[[], str]) -> None:
        super().__init__(rule, new_id)
        assert rule.config.people is not None
        self._least = rule.config.people.at_least or 0
        self._most = math.inf if rule.config.people.at_most is None else rule.config.people.at_most
        self._keys = {place: Key(place, None) for place in self._zones or (None,)}
        self._counts: dict[str | None, int] = {}
        """The number of people with which the rule last held, by place."""

    def update(self, moment: Moment, people: People, room: int) -> Sequence[Alert]:
        now = moment.media_us
        if self._dwell_us is not None:
            self._stay(people, now)
        holding: dict[Key, int] = {}
        if self._hours is None or self._hours.include(moment.capture_us):
            holding = self._lasting(people, now)
        else:
            self._runs.clear()
        if not holding and not self.alerts.open:
            return ()
        return self.alerts.update(moment, holding, people.tracks, room, self._describe)

    def _lasting(self, people: People, media_us: int) -> dict[Key, int]:
        """Return where the number of people has been within the rule's limits for long enough, and since when."""
        holding: dict[Key, int] = {}
        for place, key in self._keys.items():
            count = self._number(place, people, media_us)
            met = count is not None and self._least <= count <= self._most
            run = self._runs.get(key)
            if run is None:
                if not met:
                    continue
                run = self._runs[key] = Run()
            run.add(met, media_us)
            if count is not None and met:
                self._counts[place] = count
            elif run.over(media_us):
                del self._runs[key]
                continue
            if run.lasted(self._for_us, media_us):
                holding[key] = run.since_us
        return holding

    def _number(self, place: str | None, people: People, media_us: int) -> int | None:
        """Return the number of people at this place who meet the rule's other conditions.

        None for a zone that the camera does not have: it is not known how many people are there.
        """
        if place is None:
            return sum(map(self._does, people.all)) if self._actions else len(people.all)
        if people.zones is not None and place not in people.zones:
            return None
        inside = people.inside.get(place, ())
        if not self._actions and self._dwell_us is None:
            return len(inside)
        return sum(self._does(seen) and self._stayed(place, seen.track, media_us) for seen in inside)

    def _describe(self, key: Key, lasted_us: int) -> Finding:
        config = self.rule.config
        place = "" if key.place is None else f"in {key.place}"
        count = self._counts[key.place]
        reason = count_reason(count, " or ".join(config.actions) or None, place, lasted_us)
        return Finding(reason, None, None, count, None)
