"""One rule applied to one camera: which people it matches, for how long, and its alerts."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from stream.results import Alert
from stream.rules.alerts import ClearReason, Finding, Key, Moment, RuleAlerts
from stream.rules.compiled import Rule, WantedAction
from stream.rules.reasons import count_reason, person_reason
from stream.rules.runs import Run
from stream.rules.seen import Seen


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


class RuleState:
    """A rule and what it remembers: for how long its conditions have held, people's stays in its zones, its alerts."""

    def __init__(self, rule: Rule, new_id: Callable[[], str]) -> None:
        self.alerts = RuleAlerts(rule, new_id)
        self._runs: dict[Key, Run] = {}
        self._stays: dict[Key, Run] = {}
        """Of people in the zones, for `dwell`."""
        self._matches: dict[Key, _Match] = {}
        """The last match of each run, also for frames in which an interruption is bridged."""
        self._counts: dict[str | None, int] = {}
        """The number of people with which a rule about a number last held, by place."""
        config = rule.config
        self._zones = config.zones
        self._for_us = config.for_ or 0
        self._dwell_us = config.dwell
        self._momentary = config.momentary is not None
        self._limits = config.people
        self.use(rule)

    def use(self, rule: Rule) -> None:
        """Use this rule, which has the same meaning, from now on: its actions may have other indices."""
        self.rule = self.alerts.rule = rule
        self._actions = rule.actions
        self._hours = rule.hours

    def update(self, moment: Moment, people: People, room: int) -> list[Alert]:
        """Take the next frame, and return its messages. `room`: alerts that may begin."""
        if not people.all and not self.alerts.open and not self._runs and self._limits is None:
            return []
        now = moment.media_us
        active = self._hours is None or self._hours.include(moment.capture_us)
        if self._dwell_us is not None:
            self._stay(people, now)
        matches = self._match(people, now) if active else {}
        if not matches and not self._runs and not self.alerts.open and self._limits is None:
            return []
        if self._momentary:
            self._matches = matches
            holding = dict.fromkeys(matches, now)
        elif not active:
            self._runs.clear()
            holding: dict[Key, int] = {}
        elif self._limits is not None:
            holding = self._lasting(now, self._counted(matches, people.zones), (None,))
        else:
            self._matches |= matches
            lasting = self._lasting(now, matches, people.tracks)
            holding = {key: since_us for key, since_us in lasting.items() if key.track in people.tracks}
            if self._dwell_us is not None and not self._actions:  # the stay is what has lasted
                holding = {key: self._stays[key].since_us for key in holding}
        if not holding and not self.alerts.open:
            return []
        return self.alerts.update(moment, holding, people.tracks, room, self._describe)

    def end(self, moment: Moment, reason: ClearReason) -> list[Alert]:
        """Clear all alerts at this moment and forget what was seen. Cooldowns go on."""
        for memory in (self._runs, self._stays, self._matches):
            memory.clear()
        return self.alerts.end(moment, reason)

    def forget(self, tracks: Container[object]) -> None:
        """Forget people who have not been seen for long. The alerts about them are cleared by `update`."""
        for memory in (self._runs, self._stays, self._matches):
            for key in [key for key in memory if key.track in tracks]:
                del memory[key]

    def quiet_until_us(self, last: Moment) -> int | None:
        """Return the media time before which frames as empty as the last one, `last`, change nothing.

        None: they never change anything, as long as the hours stay the same.
        """
        now = last.media_us
        if self._limits is None:
            return self.alerts.next_change_us(holding=()) if self.alerts.open else None
        least_us = self._for_us
        holding = {key for key, run in self._runs.items() if run.lasted(least_us, now)}
        times = [self.alerts.next_change_us(holding)]
        for key, run in self._runs.items():
            if run.interrupted and not run.over(now):
                return now
            if not run.interrupted and not self.alerts.has(key):
                times.append(max(run.since_us + least_us, self.alerts.cooled_us(key.place, now)))
            elif not run.interrupted and key not in holding:
                times.append(run.since_us + least_us)
        return min((time for time in times if time is not None), default=None)

    # -- one frame ----------------------------------------------------------------------------------------------
    def _stay(self, people: People, media_us: int) -> None:
        inside = {Key(zone, seen.track) for zone in self._zones for seen in people.inside.get(zone, ())}
        for key in inside:
            if key not in self._stays:
                self._stays[key] = Run()
        for key, run in self._stays.items():
            if key.track in people.tracks:
                run.add(key in inside, media_us)

    def _match(self, people: People, media_us: int) -> dict[Key, _Match]:
        """Return the people who meet the conditions of one frame, by the place at which they are, or that they pass."""
        found: dict[Key, _Match] = {}
        if self._momentary:
            for seen in people.moved:
                self._add(found, self._passed(seen, media_us), seen)
        elif not self._zones:
            for seen in people.all:
                self._add(found, (None,), seen)
        else:
            for zone in self._zones:
                for seen in people.inside.get(zone, ()):
                    if self._stayed(zone, seen.track, media_us):
                        self._add(found, (zone,), seen)
        return found

    def _add(self, found: dict[Key, _Match], places: Iterable[str | None], seen: Seen) -> None:
        """Add a person at these places if they do the rule's action: of several, the one with the highest score."""
        best, highest = None, 0.0
        for action in self._actions:
            score = seen.values[action.index]
            if score >= action.least and score > highest:
                best, highest = action, score
        if best is not None or not self._actions:
            for place in places:
                found[Key(place, seen.track)] = _Match(seen, best)

    def _passed(self, seen: Seen, media_us: int) -> tuple[str, ...]:
        """Return the zone or line of the rule if the person passes it in this frame."""
        config = self.rule.config
        if self._zones and not any(
            zone in seen.zones and self._stayed(zone, seen.track, media_us) for zone in self._zones
        ):
            return ()
        if config.crosses is not None:
            passed = any(line == config.crosses and config.to in (None, side) for line, side in seen.crossed)
            return (config.crosses,) if passed else ()
        if config.enters is not None:
            return (config.enters,) if config.enters in seen.entered else ()
        return (config.leaves,) if config.leaves is not None and config.leaves in seen.left else ()

    def _stayed(self, zone: str, track: int, media_us: int) -> bool:
        """Return whether a person in this zone has been in it for the rule's `dwell`."""
        return self._dwell_us is None or self._stays[Key(zone, track)].lasted(self._dwell_us, media_us)

    def _counted(self, matches: Iterable[Key], zones: frozenset[str] | None) -> dict[Key, None]:
        """Return a key for each place at which the number of people is within the rule's limits.

        `zones`: those of the camera, all if None. Of others it is not known how many people are in them.
        """
        assert self._limits is not None
        there = self._zones or (None,)
        counts = {place: 0 for place in there if place is None or zones is None or place in zones}
        for place, _ in matches:
            counts[place] += 1
        least, most = self._limits.at_least or 0, self._limits.at_most
        met = [place for place, count in counts.items() if least <= count and (most is None or count <= most)]
        for place in met:
            self._counts[place] = counts[place]
        return {Key(place, None): None for place in met}

    def _lasting(self, media_us: int, met: Mapping[Key, object], present: Container[object]) -> dict[Key, int]:
        """Return the keys whose conditions have held for long enough, and since when.

        `met`: the keys whose conditions hold now. They do not hold for other keys whose track is `present`; of tracks
        that are not, it is unknown.
        """
        runs = self._runs
        for key in met:
            if key not in runs:
                runs[key] = Run()
            runs[key].add(True, media_us)
        if len(met) < len(runs):
            for key in [key for key in runs if key not in met and key.track in present]:
                runs[key].add(False, media_us)
                if runs[key].over(media_us):
                    del runs[key]
                    self._matches.pop(key, None)
        return {key: run.since_us for key, run in runs.items() if run.lasted(self._for_us, media_us)}

    def _describe(self, key: Key, lasted_us: int) -> Finding:
        config = self.rule.config
        if config.people is not None:
            place = "" if key.place is None else f"in {key.place}"
            actions = " or ".join(config.actions) or None
            count = self._counts[key.place]
            return Finding(count_reason(count, actions, place, lasted_us), None, None, count, None)
        seen, action = self._matches[key]
        done = None if action is None else (action.name, round(seen.values[action.index], 4))
        parts = () if action is None else (seen.parts or {}).get(action.name, ())
        reason = person_reason(done, self._place_words(key.place, seen), lasted_us, seen.person(), parts)
        return Finding(reason, done and done[0], done and done[1], None, seen.box)

    def _place_words(self, place: str | None, seen: Seen) -> str:
        config = self.rule.config
        if config.crosses is not None:
            sides = [side for line, side in seen.crossed if line == place and config.to in (None, side)]
            return f"crosses {place} to the {sides[-1]}"
        if place is None:
            return ""
        return f"{'enters' if config.enters else 'leaves' if config.leaves else 'in'} {place}"
