"""Durations in settings: a number with a unit, such as `500ms`, `10s`, `5m` or `2h`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

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
