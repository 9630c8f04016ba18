"""Rules and alerts by definition: for each frame, all frames and messages so far are searched again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from stream.results import Alert, Person, RuleAction
from stream.rules.alerts import ClearReason, Moment
from stream.rules.evaluator import Findings
from stream.rules.reasons import count_reason, person_reason
from stream.settings.hours import DAYS, HoursConfig
from stream.settings.rules import RuleConfig, RulesConfig
from support.rules.plain_conditions import History, PlainConditions, lasting_since
from support.rules.steps import Step

Key = tuple[str | None, int | None]
"""A rule's zone or line, and a track; None for a rule without a place, and for one about a number of people."""
MOST_OPEN = 256


class PlainEvaluator:
    """What a rules file says about all frames of a camera."""

    def __init__(self, config: RulesConfig, camera: str, steps: Sequence[Step]) -> None:
        self._config = config
        self._camera = camera
        self._history = History(steps)
        self._conditions = PlainConditions(config, self._history)
        self._rules = {
            name: rule for name, rule in config.rules.items() if rule.cameras is None or camera in rule.cameras
        }
        self._log: list[tuple[int, Key, Alert]] = []
        """All messages so far: the frame that each is about, and what."""
        self.findings: list[Findings] = []
        last = 0
        for step, frame in zip(steps, self._history.index, strict=True):
            last = last if frame is None else frame
            self.findings.append(self._of(frame, last, step.ended))

    def _of(self, frame: int | None, last: int, ended: ClearReason | None) -> Findings:
        """Return the findings of a frame; None is one that does not count. `last`: the last one that does."""
        messages = len(self._log)
        actions: dict[int, list[RuleAction]] = {}
        if frame is not None:
            if frame > 0 and (reason := self._history.breaks(frame)) is not None:
                self._end(frame - 1, reason)
            people = self._history.steps[frame].people
            actions = {one.track: found for one in people if (found := self._written(one.track, frame))}
            for name in self._rules:
                self._apply(name, frame)
        if ended is not None:
            self._end(last, ended)
        return Findings(actions, [message for _, _, message in self._log[messages:]])

    # -- people ---------------------------------------------------------------------------------------------------
    def _written(self, track: int, frame: int) -> list[RuleAction]:
        conditions, moment = self._conditions, self._history.steps[frame].moment
        found: list[RuleAction] = []
        for name in sorted(self._config.actions):
            if (score := conditions.action_score(name, track, frame)) is not None:
                ago_us = moment.media_us - conditions.written_since(name, track, frame)
                parts = conditions.parts(self._config.actions[name], None, track, frame)
                found.append(RuleAction(name, round(score, 4), moment.capture_us - ago_us, "rule", parts))
        return found

    # -- rules: whether the conditions hold -------------------------------------------------------------------------
    def _action(self, rule: RuleConfig, track: int, frame: int) -> tuple[str, float] | None:
        """Return the action of the rule that the person does with the highest score."""
        done = [(name, self._conditions.done(name, rule.score, track, frame)) for name in rule.actions]
        return max(((name, score) for name, score in done if score is not None), key=lambda one: one[1], default=None)

    def _dwells(self, rule: RuleConfig, zone: str, track: int, frame: int) -> int | None:
        """Return since when the person has been in the zone, if for at least the rule's `dwell`."""
        assert rule.dwell is not None
        return lasting_since(
            [
                (self._history.media_us(one), zone in self._seen(track, one).zones)
                for one in self._history.sightings(track, frame)
            ],
            rule.dwell,
        )

    def _places(self, rule: RuleConfig, track: int, frame: int) -> list[str | None]:
        """Return the places for which the person meets the conditions in this frame, without `for` and `people`."""
        person = self._seen(track, frame)
        if not self._open_hours(rule, frame) or (rule.actions and self._action(rule, track, frame) is None):
            return []
        zones = [
            zone
            for zone in rule.zones
            if zone in person.zones and (rule.dwell is None or self._dwells(rule, zone, track, frame) is not None)
        ]
        if rule.momentary is None:
            return [*zones] if rule.zones else [None]
        if rule.zones and not zones:
            return []
        if rule.crosses is not None:
            sides = [side for line, side in person.crossed if line == rule.crosses]
            return [rule.crosses] if (rule.to in sides if rule.to is not None else sides) else []
        before = self._history.sightings(track, frame)[:-1]
        zones_before = set(self._seen(track, before[-1]).zones) if before else set(person.zones)
        if rule.enters is not None:
            return [rule.enters] if rule.enters in set(person.zones) - zones_before else []
        return [rule.leaves] if rule.leaves in zones_before - set(person.zones) else []

    def _met(self, name: str, key: Key, frame: int) -> bool:
        """Return whether the conditions hold in this frame, however long they have."""
        rule, (place, track) = self._rules[name], key
        if track is not None:
            return place in self._places(rule, track, frame)
        return self._open_hours(rule, frame) and self._right_number(rule, self._count(rule, place, frame))

    def _count(self, rule: RuleConfig, place: str | None, frame: int) -> int:
        people = self._history.steps[frame].people
        return sum(place in self._places(rule, one.track, frame) for one in people)

    def _right_number(self, rule: RuleConfig, number: int) -> bool:
        limits = rule.people
        assert limits is not None
        return (limits.at_least is None or number >= limits.at_least) and (
            limits.at_most is None or number <= limits.at_most
        )

    def _asked(self, name: str, key: Key, frame: int) -> list[int]:
        """Return the frames up to this one, within the hours, in which it can be told whether the conditions hold."""
        rule, track = self._rules[name], key[1]
        known = self._history.stretch(frame) if track is None else self._history.sightings(track, frame)
        outside = [one for one in self._history.stretch(frame) if not self._open_hours(rule, one)]
        return [one for one in known if not outside or one > outside[-1]]

    def _since(self, name: str, key: Key, frame: int) -> int | None:
        """Return since when all conditions have held, media time; None if they do not hold."""
        rule, (place, track) = self._rules[name], key
        if not self._open_hours(rule, frame) or (track is not None and not self._history.person(track, frame)):
            return None
        if rule.momentary is not None:
            return self._history.media_us(frame) if self._met(name, key, frame) else None
        asked = [(self._history.media_us(one), self._met(name, key, one)) for one in self._asked(name, key, frame)]
        since_us = lasting_since(asked, rule.for_ or 0)
        if since_us is None or rule.dwell is None or rule.actions or track is None:
            return since_us
        assert place is not None
        # While an interruption is bridged, the person may be outside for a frame: since when is that of the stay.
        return self._stay_since(rule, place, track, frame)

    def _stay_since(self, rule: RuleConfig, zone: str, track: int, frame: int) -> int:
        sightings = self._history.sightings(track, frame)
        inside = [(self._history.media_us(one), zone in self._seen(track, one).zones) for one in sightings]
        while not inside[-1][1]:
            inside.pop()
        since_us = lasting_since(inside, 0)
        assert since_us is not None
        return since_us

    def _open_hours(self, rule: RuleConfig, frame: int) -> bool:
        capture_us = self._history.steps[frame].moment.capture_us
        return rule.hours is None or in_hours(rule.hours, self._config.time_zone, capture_us)

    def _seen(self, track: int, frame: int) -> Person:
        person = self._history.person(track, frame)
        assert person is not None
        return person

    # -- alerts -------------------------------------------------------------------------------------------------------
    def _opened(self, name: str | None = None) -> list[tuple[int, Key, Alert]]:
        """Return the first messages of the open alerts, of one rule or all, in the order in which they began."""
        ended = {message.alert for _, _, message in self._log if message.state == "cleared"}
        return [
            (frame, key, message)
            for frame, key, message in self._log
            if message.state == "began" and message.alert not in ended and name in (None, message.rule)
        ]

    def _last_message(self, alert: str) -> tuple[int, Alert]:
        return [(frame, message) for frame, _, message in self._log if message.alert == alert][-1]

    def _end(self, frame: int, reason: str) -> None:
        for name in self._rules:
            for _, key, alert in self._opened(name):
                self._clear(alert.alert, key, frame, reason)

    def _clear(self, alert: str, key: Key, frame: int, reason: str) -> None:
        moment, (_, last) = self._history.steps[frame].moment, self._last_message(alert)
        cleared = replace(
            last,
            state="cleared",
            frame=moment.frame,
            capture_us=moment.capture_us,
            media_time_us=moment.media_us,
            clear_reason=reason,  # pyright: ignore[reportArgumentType]
        )
        self._log.append((frame, key, cleared))

    def _apply(self, name: str, frame: int) -> None:
        """Add the messages of a rule about this frame: those that clear, then those that update, then new ones."""
        rule, now = self._rules[name], self._history.media_us(frame)
        updated: list[tuple[Key, Alert, int]] = []
        for began, key, alert in self._opened(name):
            told_us = self._history.media_us(self._last_message(alert.alert)[0])
            since_us = self._since(name, key, frame)
            if since_us is not None:
                on_us = told_us - self._history.media_us(began)
                due_us = told_us + max(10_000_000, min(on_us // 10, 600_000_000))
                if now >= due_us or (rule.momentary is not None and now > told_us):
                    updated.append((key, alert, since_us))
                continue
            held = max(one for one in range(began, frame) if self._since(name, key, one) is not None)
            if now - self._history.media_us(held) >= rule.clear_after:
                gone = key[1] is not None and self._history.person(key[1], frame) is None
                self._clear(alert.alert, key, frame, "left" if gone else "over")
        for key, alert, since_us in updated:
            self._say(name, key, frame, since_us, alert)
        opened = {key for _, key, _ in self._opened(name)}
        waiting = [
            (since_us, key)
            for key in self._keys(rule, frame)
            if key not in opened and (since_us := self._since(name, key, frame)) is not None
        ]
        for since_us, key in sorted(waiting, key=lambda one: (one[0], one[1][1] or 0, one[1][0] or "")):
            if len(self._opened()) < MOST_OPEN and self._cooled(name, key[0], frame):
                self._say(name, key, frame, since_us, None)

    def _keys(self, rule: RuleConfig, frame: int) -> list[Key]:
        places: list[str | None] = [rule.momentary and getattr(rule, rule.momentary)]
        if rule.momentary is None and rule.zones:
            places = [*rule.zones]
        people = self._history.steps[frame].people
        tracks = [None] if rule.people is not None else [one.track for one in people]
        return [(place, track) for place in places for track in tracks]

    def _cooled(self, name: str, place: str | None, frame: int) -> bool:
        """Return whether the rule's last alert of this place is long enough ago, in media time.

        Between two epochs, it is the time that passed by the clock; none if the clock was set back.
        """
        sent = [began for began, key, one in self._log if (one.state, one.rule, key[0]) == ("began", name, place)]
        if not sent:
            return True
        moments = [step.moment for step in self._history.steps[sent[-1] : frame + 1]]
        return sum(map(_passed_us, moments[:-1], moments[1:])) >= self._rules[name].cooldown

    def _say(self, name: str, key: Key, frame: int, since_us: int, first: Alert | None) -> None:
        rule, moment = self._rules[name], self._history.steps[frame].moment
        lasted_us = moment.media_us - since_us
        met = [one for one in self._asked(name, key, frame) if self._met(name, key, one)][-1]
        action = box = people = None
        if key[1] is None:
            people = self._count(rule, key[0], met)
            where = "" if key[0] is None else f"in {key[0]}"
            reason = count_reason(people, " or ".join(rule.actions) or None, where, lasted_us)
        else:
            person = self._seen(key[1], met)
            action, box = self._action(rule, key[1], met), person.box
            action = None if action is None else (action[0], round(action[1], 4))
            parts: list[str] = []
            if action is not None and (written := self._config.actions.get(action[0])) is not None:
                parts = self._conditions.parts(written, None, key[1], met)
            reason = person_reason(action, self._words(rule, key[0], person), lasted_us, person, parts)
        message = Alert(
            run="",
            seq=0,
            camera=self._camera,
            epoch=moment.epoch,
            frame=moment.frame,
            alert=str(1 + sum(one.state == "began" for _, _, one in self._log)) if first is None else first.alert,
            rule=name,
            severity=rule.severity,
            state="began" if first is None else "updated",
            reason=reason,
            zone=key[0] if rule.crosses is None else None,
            line=rule.crosses,
            track=key[1],
            people=people,
            action=action and action[0],
            score=action and action[1],
            box=box,
            capture_us=moment.capture_us,
            since_us=moment.capture_us - lasted_us if first is None else first.since_us,
            began_us=moment.capture_us if first is None else first.began_us,
            clear_reason=None,
            media_time_us=moment.media_us,
        )
        self._log.append((frame, key, message))

    @staticmethod
    def _words(rule: RuleConfig, place: str | None, person: Person) -> str:
        if rule.crosses is not None:
            sides = [side for line, side in person.crossed if line == rule.crosses and rule.to in (None, side)]
            return f"crosses {rule.crosses} to the {sides[-1]}"
        verb = "enters" if rule.enters is not None else "leaves" if rule.leaves is not None else "in"
        return "" if place is None else f"{verb} {place}"


def _passed_us(before: Moment, now: Moment) -> int:
    if before.epoch == now.epoch:
        return now.media_us - before.media_us
    return max(now.capture_us - before.capture_us, 0)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def in_hours(hours: HoursConfig, time_zone: str | None, capture_us: int) -> bool:
    """Return whether a clock on the wall shows a time in the hours: after they began on this day, or the day before."""
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=capture_us)
    wall = instant.astimezone(_zone(hours.time_zone or time_zone or "")).replace(tzinfo=None)
    midnight = datetime(wall.year, wall.month, wall.day)
    for day in (midnight, midnight - timedelta(days=1)):
        begin, end = day + _of_day(hours.from_), day + _of_day(hours.to)
        end += timedelta(days=1) if end <= begin else timedelta()
        if begin <= wall < end and (hours.days is None or DAYS[day.weekday()] in hours.days):
            return True
    return False


def _of_day(text: str) -> timedelta:
    return timedelta(hours=int(text[:2]), minutes=int(text[3:]))
