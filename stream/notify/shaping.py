"""Quiet hours, groups and the cap of a target: whether a message is sent now or held back, and until when."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from stream.notify.ledger import Delivery
from stream.notify.notice import PLAIN, Held, decode
from stream.notify.notify_config import TargetConfig
from stream.results import Alert
from stream.rules.hours import MINUTE_US, Hours

BEGINNINGS = ("began", "closed")
MOST_RULES = 50
"""Rules that a summary names; the rest are counted as `other`."""
_DAY_MINUTES = 24 * 60


class Shaper:
    """The shaping of one target. `earlier`: times of the messages of the last minute, of the clock that is not set."""

    def __init__(self, config: TargetConfig, time_zone: str, earlier: Iterable[int] = ()) -> None:
        self._config = config
        self._hours = Hours(config.quiet_hours, time_zone) if config.quiet_hours is not None else None
        self._sent: deque[int] = deque(earlier)
        self._groups: dict[tuple[str, str], int] = {}

    def quiet_until(self, now_us: int) -> int:
        """Return when the quiet hours end, 0 outside of them."""
        if self._hours is None or not self._hours.include(now_us):
            return 0
        minute = now_us // MINUTE_US
        end = next(
            (m for m in range(minute + 1, minute + _DAY_MINUTES + 1) if not self._hours.include(m * MINUTE_US)), 0
        )
        return (end or minute + _DAY_MINUTES) * MINUTE_US

    @property
    def longest_us(self) -> int:
        """The longest time for which a message is held back outside of quiet hours."""
        return max(MINUTE_US, self._config.group_within)

    def held(
        self, kind: str, camera: str, rule: str, now_us: int, steady_us: int, *, critical: bool
    ) -> tuple[str, int]:
        """Return why a message is held back, empty if it is sent now, and when to sum it up.

        Quiet hours are of the time of day `now_us`; groups and the cap of `steady_us`, which is not set.
        """
        quiet_until = 0 if critical and self._config.critical else self.quiet_until(now_us)
        if quiet_until:
            return "quiet_hours", quiet_until
        within = self._config.group_within
        if within and kind in BEGINNINGS:
            began_us = self._groups.get((camera, rule))
            if began_us is not None and steady_us - began_us < within:
                return "group", began_us + within
            for key in [key for key, time_us in self._groups.items() if steady_us - time_us >= within]:
                del self._groups[key]
            self._groups[camera, rule] = steady_us
        most = self._config.most_per_minute
        if most is not None and kind != "cleared":
            while self._sent and steady_us - self._sent[0] >= MINUTE_US:
                self._sent.popleft()
            if len(self._sent) >= most:
                return "cap", self._sent[0] + MINUTE_US
            self._sent.append(steady_us)
        return "", 0


def summary(held: Iterable[Delivery]) -> Held:
    """Return the summary of messages that were held back."""
    by: dict[str, int] = {}
    rules: dict[str, int] = {}
    times: list[int] = []
    for one in held:
        by[one.error] = by.get(one.error, 0) + 1
        alert = _alert(one)
        rule = alert.rule if alert is not None else f"{one.kind}s" if one.kind in PLAIN else "notices"
        rule = rule if rule in rules or len(rules) < MOST_RULES else "other"
        rules[rule] = rules.get(rule, 0) + 1
        times.append(one.created_us)
    return Held(len(times), by, rules, min(times), max(times))


def _alert(held: Delivery) -> Alert | None:
    """Return the alert of a message; None if it is not about one, or was planned by a version that accepted more."""
    try:
        return decode(held.plan).alert if held.kind not in PLAIN else None
    except msgspec.DecodeError:
        return None
