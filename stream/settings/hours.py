"""Settings of hours: times of the day, on some days of the week, in a time zone."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from stages.settings import Section

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


_CLOCK = "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
_CLOCK_TIME = re.compile(_CLOCK)


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # also an unknown key, and paths out of the database
        raise ValueError(f"there is no time zone {name!r:.60}; an example is Europe/Berlin") from None
    return name


def _clock_time(value: object) -> object:
    if isinstance(value, int):  # YAML reads 22:00 as a number to the base 60
        raise ValueError('must be in quotes, for example "22:00"')
    if isinstance(value, str) and not _CLOCK_TIME.fullmatch(value):
        raise ValueError('must be a time from "00:00" to "24:00" with two digits for the hour, for example "07:00"')
    return value


TimeZoneName = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_known)]
ClockTime = Annotated[str, BeforeValidator(_clock_time), WithJsonSchema({"type": "string", "pattern": _CLOCK})]


class HoursConfig(Section):
    """Times of the day. `to` is exclusive, and on the next day if it is before `from`."""

    from_: ClockTime = Field(alias="from", description='First minute, "22:00"; with quotes.')
    to: ClockTime = Field(description='End, exclusive, "06:00"; before `from`: on the next day.')
    days: list[Day] | None = Field(
        None, min_length=1, description="Days on which the hours begin: mon, tue, … Unset: every day."
    )
    time_zone: TimeZoneName | None = Field(None, description="Unset: the file's `time_zone`.")

    @model_validator(mode="after")
    def _has_a_length(self) -> HoursConfig:
        if self.from_ == "24:00":
            raise ValueError('from is the end of a day; write "00:00"')
        if self.from_ == self.to:
            raise ValueError("from and to are the same time; leave hours out for the whole day")
        return self
