"""What errors of a `fleet.yaml` tell besides the field: the camera's id, and numbers that are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from pydantic_core import ErrorDetails

from stream.settings.values import CAMERA_ID

_NUMBERS = ("float_", "int_", "bool_", "finite_number", "greater_than", "less_than")
"""Beginnings of the types of errors about numbers. Their values are no secrets."""
_LONGEST_NUMBER = 20


def with_numbers(errors: Iterable[ErrorDetails]) -> list[ErrorDetails]:
    """Return the errors, those about numbers with the value that was written."""
    return [{**one, "msg": f"{one['msg']} (got {one['input']!r})"} if _is_number(one) else one for one in errors]


def camera_at(cameras: object) -> Callable[[Sequence[str | int]], str]:
    """Return a function that names the camera in whose settings a field is, to be written before the field."""
    entries = cast("list[Any]", cameras) if isinstance(cameras, list) else []

    def name(location: Sequence[str | int]) -> str:
        if len(location) < 2 or location[0] != "cameras" or not isinstance(location[1], int):
            return ""
        entry = entries[location[1]] if location[1] < len(entries) else None
        camera = cast("dict[str, Any]", entry).get("id") if isinstance(entry, dict) else None
        return f"camera {camera}: " if isinstance(camera, str) and CAMERA_ID.fullmatch(camera) else ""

    return name


def _is_number(error: ErrorDetails) -> bool:
    value = error["input"]
    written = isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _LONGEST_NUMBER)
    return written and error["type"].startswith(_NUMBERS)
