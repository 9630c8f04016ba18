"""Forms of single values in settings: camera ids, durations such as `500ms`, and hours of the day."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from stages.settings import Section
from stream.settings.source_address import quoted

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MAX_LENGTH = 63


def camera_id_error(value: str) -> str:
    """Return the message for a camera id that does not match `CAMERA_ID`, with a similar id that does."""
    similar = "" if "://" in value else re.sub(r"[^a-z0-9_]+", "-", value.lower()).strip("-_")[:_MAX_LENGTH]
    long = f", at most {_MAX_LENGTH} characters" if len(value) > _MAX_LENGTH else ""
    return f"camera id {quoted(value)}: use a-z, 0-9, - and _{long}, for example {similar or 'cam0'}"


def _camera_id(value: str) -> str:
    if not CAMERA_ID.fullmatch(value):
        raise ValueError(camera_id_error(value))
    return value


CameraId = Annotated[
    str, AfterValidator(_camera_id), WithJsonSchema({"type": "string", "pattern": f"^{CAMERA_ID.pattern}$"})
]

_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|m|h)")
LONGEST_US = 24 * _UNITS["h"]


def microseconds(value: object) -> int:
    """Return a duration such as `10s` in microseconds. Raises ValueError for anything else, or above 24 hours."""
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a number with a unit: 500ms, 10s, 5m or 2h")
    result = round(float(found[1]) * _UNITS[found[2]])
    if result > LONGEST_US:
        raise ValueError("must be at most 24h")
    return result


def setting_text(microseconds: int) -> str:
    """Return a duration as it is written in settings, in the largest unit that leaves no fraction."""
    if not microseconds:
        return "0s"
    for unit, size in reversed(_UNITS.items()):
        if microseconds % size == 0:
            return f"{microseconds // size}{unit}"
    return f"{microseconds / 1000:.3f}".rstrip("0") + "ms"


def duration_text(microseconds: int) -> str:
    """Return a duration for people: `0.8 s`, `12 s`, `5 min`, `1 h 20 min`."""
    seconds = microseconds / 1e6
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if minutes < 120 else f"{hours} h {rest} min" if rest else f"{hours} h"


Duration = Annotated[
    int,
    Field(strict=True, ge=0, le=LONGEST_US),
    BeforeValidator(microseconds),
    PlainSerializer(setting_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})? ?(ms|s|m|h)$"}),
]
"""Microseconds; written as a string with a unit."""

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
