"""One rule applied to one camera: which people it matches, for how long, and its alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from stream.results import Alert
from stream.rules.alerts import ClearReason, Finding, Key, Moment, RuleAlerts
from stream.rules.compiled import Rule, RuleAction
from stream.rules.reasons import count_reason, person_reason
from stream.rules.runs import Run
from stream.rules.seen import Seen


class _Match(NamedTuple):
    """A person who meets a rule's conditions in a frame; `action` is None if the rule has none."""

    seen: Seen
    action: RuleAction | None


class RuleState:
    """A rule and what it remembers: for how long its conditions have held, people's stays in its zones, its alerts."""

    def __init__(self, rule: Rule, new_id: Callable[[], str]) -> None:
        self.rule = rule
        self.alerts = RuleAlerts(rule, new_id)
        self._places: tuple[str | None, ...] = rule.config.zones or (None,)
        self._runs: dict[Key, Run] = {}
        self._stays: dict[Key, Run] = {}
        """Of people in the zones, for `dwell`."""
        self._matches: dict[Key, _Match] = {}
        """The last match of each run, also for frames in which an interruption is bridged."""
        self._counts: dict[str | None, int] = {}
        """The number of people with which a rule about a number last held, by place."""

    def use(self, rule: Rule) -> None:
        """Use this rule, which has the same meaning, from now on: its actions may have other indices."""
        self.rule = self.alerts.rule = rule

    def update(self, moment: Moment, people: Sequence[Seen], present: Container[object], room: int) -> list[Alert]:
        """Take the next frame, and return its messages. `present`: its tracks; `room`: alerts that may begin."""
        config = self.rule.config
        active = self.rule.hours is None or self.rule.hours.include(moment.capture_us)
        if config.dwell is not None:
            self._stay(people, moment.media_us)
        matches = dict(self._match(people, moment.media_us)) if active else {}
        if config.momentary is not None:
            self._matches = matches
            holding = dict.fromkeys(matches, moment.media_us)
        elif not active:
            self._runs.clear()
            holding: dict[Key, int] = {}
        elif config.people is not None:
            holding = self._lasting(moment.media_us, dict.fromkeys(self._counted(matches)))
        else:
            self._matches |= matches
            lasting = self._lasting(moment.media_us, matches, present)
            holding = {key: since_us for key, since_us in lasting.items() if key.track in present}
            if config.dwell is not None and not config.actions:  # the stay is what has lasted
                holding = {key: self._stays[key].since_us for key in holding}
        if not holding and not len(self.alerts):
            return []
        return self.alerts.update(moment, holding, present, room, self._describe)

    def end(self, moment: Moment, reason: ClearReason) -> list[Alert]:
        """Clear all alerts at this moment and forget what was seen. Cooldowns go on."""
        for memory in (self._runs, self._stays, self._matches):
            memory.clear()
        return self.alerts.end(moment, reason)

    def forget(self, track: int) -> None:
        """Forget a person who has not been seen for long. The alerts about them are cleared by `update`."""
        for memory in (self._runs, self._stays, self._matches):
            for key in [key for key in memory if key.track == track]:
                del memory[key]

    def quiet_until_us(self, last: Moment) -> int | None:
        """Return the media time before which frames as empty as the last one, `last`, change nothing.

        None: they never change anything, as long as the hours stay the same.
        """
        now = last.media_us
        if self.rule.config.people is None:
            return self.alerts.next_change_us(holding=())
        least_us = self.rule.config.for_ or 0
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
    def _stay(self, people: Sequence[Seen], media_us: int) -> None:
        for seen in people:
            for zone in self.rule.config.zones:
                key = Key(zone, seen.track)
                run = self._stays.get(key)
                if zone in seen.zones:
                    run = self._stays.setdefault(key, Run())
                if run is not None:
                    run.add(zone in seen.zones, media_us)

    def _match(self, people: Iterable[Seen], media_us: int) -> Iterator[tuple[Key, _Match]]:
        for seen in people:
            action = self._action(seen.values)
            if not self.rule.actions or action is not None:
                for place in self._where(seen, media_us):
                    yield Key(place, seen.track), _Match(seen, action)

    def _action(self, values: Sequence[float]) -> RuleAction | None:
        """Return the rule's action with the highest score of those that the person does."""
        best, highest = None, 0.0
        for action in self.rule.actions:
            score = values[action.index]
            if score >= action.least and score > highest:
                best, highest = action, score
        return best

    def _where(self, seen: Seen, media_us: int) -> Sequence[str | None]:
        """Return the places of the rule that the person is at, or passes in this frame."""
        config = self.rule.config
        zones = [zone for zone in config.zones if zone in seen.zones and self._stayed(zone, seen.track, media_us)]
        if config.momentary is None:
            return zones if config.zones else (None,)
        if config.zones and not zones:
            return ()
        if config.crosses is not None:
            sides = [side for line, side in seen.crossed if line == config.crosses]
            return (config.crosses,) if any(config.to in (None, side) for side in sides) else ()
        if config.enters is not None:
            return (config.enters,) if config.enters in seen.entered else ()
        return (config.leaves,) if config.leaves in seen.left else ()

    def _stayed(self, zone: str, track: int, media_us: int) -> bool:
        """Return whether a person in this zone has been in it for the rule's `dwell`."""
        dwell_us = self.rule.config.dwell
        return dwell_us is None or self._stays[Key(zone, track)].lasted(dwell_us, media_us)

    def _counted(self, matches: Iterable[Key]) -> list[Key]:
        """Return a key for each place at which the number of people is within the rule's limits."""
        limits = self.rule.config.people
        assert limits is not None
        counts = Counter(key.place for key in matches)
        least, most = limits.at_least or 0, limits.at_most
        met = [place for place in self._places if least <= counts[place] and (most is None or counts[place] <= most)]
        self._counts |= {place: counts[place] for place in met}
        return [Key(place, None) for place in met]

    def _lasting(
        self, media_us: int, met: Mapping[Key, object], present: Container[object] = (None,)
    ) -> dict[Key, int]:
        """Return the keys whose conditions have held for long enough, and since when.

        `met`: the keys whose conditions hold now. They do not hold for other keys whose track is `present`; of tracks
        that are not, it is unknown.
        """
        runs = self._runs
        for key in met:
            runs.setdefault(key, Run()).add(True, media_us)
        for key, run in list(runs.items()):
            if key not in met and key.track in present:
                run.add(False, media_us)
                if run.over(media_us):
                    del runs[key]
                    self._matches.pop(key, None)
        least_us = self.rule.config.for_ or 0
        return {key: run.since_us for key, run in runs.items() if run.lasted(least_us, media_us)}

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
