"""The alerts of one rule for one camera: when each begins, is updated, and is cleared."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Literal, NamedTuple

from msgspec.structs import replace

from stream.results import Alert, Box
from stream.rules.compiled import Rule

UPDATE_US, LONGEST_UPDATE_US = 10_000_000, 600_000_000
"""Media time between two messages about an alert that stays on: a tenth of the time that it has been on, but no less
than the first and no more than the second."""

ClearReason = Literal["over", "left", "epoch", "no_results", "restart", "rules", "camera"]


class Moment(NamedTuple):
    """A frame: its camera and number, and its times in microseconds."""

    camera: str
    epoch: int
    frame: int
    capture_us: int
    media_us: int


class Key(NamedTuple):
    """What an alert of a rule is about: a zone or line if the rule has one, and a person unless people are counted."""

    place: str | None
    track: int | None


class Finding(NamedTuple):
    """What an alert says of the frame that it is about."""

    reason: str
    action: str | None
    score: float | None
    people: int | None
    box: Box | None


Describe = Callable[[Key, int], Finding]
"""Takes a key and for how long the conditions have held for it, in microseconds."""


class OpenAlert:
    """An alert that is on."""

    __slots__ = ("_began_us", "held_us", "message", "told_us", "update_us")

    def __init__(self, message: Alert, media_us: int) -> None:
        """`message`: the first one, at this media time."""
        self.message = message
        """The last message."""
        self.held_us = self._began_us = media_us
        """Media time at which the conditions last held."""
        self.tell(media_us)

    def tell(self, media_us: int) -> None:
        """Take note of a message at this media time."""
        self.told_us = media_us
        """Media time of the last message."""
        self.update_us = media_us + min(max((media_us - self._began_us) // 10, UPDATE_US), LONGEST_UPDATE_US)
        """Media time from which the next message is due if the conditions hold."""


class RuleAlerts:
    """The open alerts of one rule and camera. `update` is called for every frame."""

    def __init__(self, rule: Rule, new_id: Callable[[], str]) -> None:
        self.rule = rule
        self._new_id = new_id
        self.open: dict[Key, OpenAlert] = {}
        self._sent: dict[str | None, int] = {}
        """When the last alert began, by place, in the media time of the current epoch."""
        self._clear_after = rule.config.clear_after
        self._momentary = rule.config.momentary is not None

    def update(
        self, moment: Moment, holding: Mapping[Key, int], present: Container[object], room: int, describe: Describe
    ) -> list[Alert]:
        """Return the messages of this frame: first the alerts that are cleared, then those updated, then new ones.

        `holding`: the keys for which all conditions hold, and since when, in media time; `present`: the tracks in the
        frame; `room`: alerts that may begin, beside those that replace one of this rule. Those for which there is no
        room, or whose rule is cooling down, begin later if they still hold: first those that have held for longest.
        """
        now = moment.media_us
        cleared: list[Alert] = []
        updated: list[Alert] = []
        held = 0
        for key, alert in list(self.open.items()):
            since_us = holding.get(key)
            if since_us is not None:
                held += 1
                alert.held_us = now
                if now >= alert.update_us or (self._momentary and now > alert.told_us):
                    alert.message = self._message(moment, key, since_us, describe, alert.message)
                    alert.tell(now)
                    updated.append(alert.message)
            elif now - alert.held_us >= self._clear_after:
                left = key.track is not None and key.track not in present
                cleared.append(self._clear(key, moment, "left" if left else "over"))
        told = cleared + updated
        return told + self._begin(moment, holding, room + len(cleared), describe) if held < len(holding) else told

    def _begin(self, moment: Moment, holding: Mapping[Key, int], room: int, describe: Describe) -> list[Alert]:
        now = moment.media_us
        sent = self._sent
        waiting = [
            key
            for key in holding
            if key not in self.open and (key.place not in sent or now >= self._cooled_us(key.place, now))
        ]
        if len(waiting) > 1:
            waiting.sort(key=lambda key: (holding[key], key.track or 0, key.place or ""))
        began: list[Alert] = []
        for key in waiting:
            if len(began) < room and now >= self._cooled_us(key.place, now):
                message = self._message(moment, key, holding[key], describe, None)
                self.open[key] = OpenAlert(message, now)
                self._sent[key.place] = now
                began.append(message)
        return began

    def end(self, moment: Moment, reason: ClearReason) -> list[Alert]:
        """Clear all alerts at this moment, and return the messages."""
        return [self._clear(key, moment, reason) for key in list(self.open)]

    def _cooled_us(self, place: str | None, now: int) -> int:
        """Return the media time from which an alert of this place may begin; `now` if none has."""
        sent_us = self._sent.get(place)
        return now if sent_us is None else sent_us + self.rule.config.cooldown

    def begin_epoch(self, last: Moment, first: Moment) -> None:
        """Let cooldowns go on in a new epoch. `last`: the last frame of the old one, `first`: the first of the new one.

        The time between them is taken from the clock; it is zero if the clock was set back.
        """
        later_us = first.media_us - last.media_us - max(first.capture_us - last.capture_us, 0)
        self._sent = {place: sent_us + later_us for place, sent_us in self._sent.items()}

    def _clear(self, key: Key, moment: Moment, reason: ClearReason) -> Alert:
        last = self.open.pop(key).message
        return replace(
            last,
            state="cleared",
            frame=moment.frame,
            capture_us=moment.capture_us,
            media_time_us=moment.media_us,
            clear_reason=reason,
        )

    def _message(self, moment: Moment, key: Key, since_us: int, describe: Describe, before: Alert | None) -> Alert:
        lasted_us = moment.media_us - since_us
        finding = describe(key, lasted_us)
        config = self.rule.config
        return Alert(
            run="",
            seq=0,
            camera=moment.camera,
            epoch=moment.epoch,
            frame=moment.frame,
            alert=self._new_id() if before is None else before.alert,
            rule=self.rule.name,
            severity=config.severity,
            state="began" if before is None else "updated",
            reason=finding.reason,
            zone=key.place if config.crosses is None else None,
            line=config.crosses,
            track=key.track,
            people=finding.people,
            action=finding.action,
            score=finding.score,
            box=finding.box,
            capture_us=moment.capture_us,
            since_us=max(moment.capture_us - lasted_us, 0) if before is None else before.since_us,
            began_us=moment.capture_us if before is None else before.began_us,
            clear_reason=None,
            media_time_us=moment.media_us,
        )
