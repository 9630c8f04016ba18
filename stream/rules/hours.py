"""Hours: whether local time at an instant is between two times of the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from stream.settings.values import DAYS, HoursConfig

MINUTE_US = 60_000_000
"""The answer is the same within a minute of UTC, because time zones differ by whole minutes."""


class Hours:
    """Hours of the day. Compares local time, so that a change to or from daylight saving needs no special case.

    When clocks are set back, hours that lie in the repeated hour occur twice; when they are set forward, the hours that
    are skipped do not occur.
    """

    def __init__(self, config: HoursConfig, time_zone: str) -> None:
        """`time_zone` is used if the hours have none."""
        self._zone = ZoneInfo(config.time_zone or time_zone)
        self._from, self._to = _minutes(config.from_), _minutes(config.to)
        self._days = frozenset(DAYS.index(day) for day in config.days or DAYS)
        self._known: tuple[int, bool] = (-1, False)

    def include(self, capture_us: int) -> bool:
        """Return whether these hours include the instant, microseconds since 1970, UTC."""
        minute = capture_us // MINUTE_US
        if self._known[0] != minute:
            self._known = (minute, self._in_minute(minute))
        return self._known[1]

    def _in_minute(self, minute: int) -> bool:
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)).astimezone(self._zone)
        now, day = local.hour * 60 + local.minute, local.weekday()
        if self._from < self._to:
            return self._from <= now < self._to and day in self._days
        if now >= self._from:
            return day in self._days
        return now < self._to and (day - 1) % 7 in self._days


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
