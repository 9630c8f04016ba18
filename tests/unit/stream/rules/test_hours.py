"""The hours of rules: across midnight, by days, and across changes to and from daylight saving, in several zones."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from stream.rules.hours import Hours
from stream.settings.values import HoursConfig

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def hours(begin: str, end: str, **more: Any) -> HoursConfig:
    return HoursConfig.model_validate({"from": begin, "to": end} | more)


def at(local: str, zone: str = BERLIN, fold: int = 0) -> int:
    """Return an instant by the clock on the wall; `fold` 1: the second time that it shows this."""
    return round(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1e6)


def included(config: HoursConfig, *instants: int, zone: str = BERLIN) -> list[bool]:
    judged = Hours(config, zone)
    return [judged.include(instant) for instant in instants]


def test_hours_begin_with_their_first_minute_and_end_before_their_last() -> None:
    found = included(
        hours("08:30", "17:00"),
        *(at(f"2026-11-30T{time}") for time in ("08:29:59.999999", "08:30", "16:59:59.999999", "17:00")),
    )
    assert found == [False, True, True, False]
    whole = [at(f"2026-11-{day}T{time}") for day, time in ((29, "23:59:59"), (30, "00:00"), (30, "23:59:59"))]
    assert included(hours("00:00", "24:00", days=["mon"]), *whole) == [False, True, True]


def test_hours_across_midnight_belong_to_the_day_on_which_they_begin() -> None:
    night = hours("22:00", "06:00", days=["sun"])  # 29 November 2026 is a Sunday
    times = ("29T05:59", "29T21:59", "29T22:00", "30T00:00", "30T05:59", "30T06:00", "30T22:00")
    found = included(night, *(at(f"2026-11-{time}") for time in times))
    assert found == [False, False, True, True, True, False, False]
    until_midnight = [at("2026-11-29T23:59"), at("2026-11-30T00:00")]
    for end in ("24:00", "00:00"):
        assert included(hours("22:00", end, days=["sun"]), *until_midnight) == [True, False]


def test_hours_that_are_left_out_when_clocks_are_set_forward_do_not_occur() -> None:
    # In Berlin, 01:59:59 is followed by 03:00:00 on 29 March 2026.
    before = at("2026-03-29T01:59:59")
    after = before + 1_000_000
    assert included(hours("02:00", "03:00"), before, after) == [False, False]
    assert included(hours("02:30", "06:00"), before, after) == [False, True]
    assert included(hours("22:00", "06:00", days=["sat"]), before, after, at("2026-03-29T06:00")) == [True, True, False]


def test_hours_occur_twice_when_clocks_are_set_back() -> None:
    # In Berlin, 02:59:59 is followed by 02:00:00 on 25 October 2026.
    first, again = at("2026-10-25T02:15"), at("2026-10-25T02:15", fold=1)
    assert again - first == 3600 * 1_000_000
    between = at("2026-10-25T02:45")
    assert included(hours("02:00", "02:30"), first, between, again) == [True, False, True]
    half = [at("2026-04-05T01:45", LORD_HOWE, fold) for fold in (0, 1)]
    assert half[1] - half[0] == 1800 * 1_000_000
    assert included(hours("01:30", "02:00"), *half, zone=LORD_HOWE) == [True, True]


def test_the_time_zone_of_the_hours_goes_before_that_of_the_file() -> None:
    noon = at("2026-11-30T12:00", NEW_YORK)
    assert included(hours("12:00", "13:00"), noon) == [False]
    assert included(hours("12:00", "13:00", time_zone=NEW_YORK), noon) == [True]
    assert included(hours("22:30", "22:31", time_zone="Asia/Kolkata"), noon) == [True]
