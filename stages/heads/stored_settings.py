"""Reading of a checkpoint's metadata: JSON by key, and the fields of its settings, each checked by its type."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, cast

_LARGEST = 1_000_000
"""Largest size in a network's settings."""
_MOST_VALUES = 1000
_SHOWN = 100
"""Characters of a wrong value that a message repeats."""


def parsed(metadata: Mapping[str, str], key: str, kind: type[Any]) -> Any:
    """Return the JSON value of a key. Raises `KeyError` if there is none, `ValueError` naming the key if it is wrong.

    `kind`: dict or bool.
    """
    try:
        value: object = json.loads(metadata[key])
    except (ValueError, RecursionError):
        raise ValueError(f"{key}: is not JSON, or is nested too deep") from None
    if type(value) is not kind:
        raise ValueError(f"{key}: {repr(value)[:_SHOWN]} is not {'an object' if kind is dict else 'true or false'}")
    return value


def fields_of(kind: type[Any], content: object, section: str, at_least_1: frozenset[str] = frozenset()) -> Any:
    """Return the dataclass `kind` with these values from JSON.

    Whole numbers are 0, or 1 for those in `at_least_1`, to 1,000,000; other numbers 0 to 1. Raises `ValueError` naming
    `section` and the field.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{section}: {repr(content)[:_SHOWN]} is not an object")
    types = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    given: dict[str, Any] = {}
    for name, value in cast("dict[str, object]", content).items():
        if name not in types:
            raise ValueError(
                f"{section}: unknown fields {sorted(set(cast('dict[str, object]', content)) - set(types))}"
            )
        wanted = _wrong(types[name], value, 1 if name in at_least_1 else 0)
        if wanted is not None:
            raise ValueError(f"{section}: `{name}` is {repr(value)[:_SHOWN]}; it must be {wanted}")
        given[name] = tuple(cast("list[object]", value)) if isinstance(value, list) else value
    return kind(**given)


def _wrong(kind: str, value: object, least: int) -> str | None:
    """Return what a value of a field must be; None if it is."""
    inner = kind.removeprefix("tuple[").removesuffix(", ...]")
    if inner != kind:
        if isinstance(value, list) and len(value) <= _MOST_VALUES:  # pyright: ignore[reportUnknownArgumentType]
            wrong = [_wrong(inner, one, least) for one in cast("list[object]", value)]
            return next((f"a list, each {one}" for one in wrong if one is not None), None)
        return f"a list of at most {_MOST_VALUES} values"
    match kind:
        case "bool":
            return None if isinstance(value, bool) else "true or false"
        case "int":
            fits = type(value) is int and least <= value <= _LARGEST
            return None if fits else f"a whole number from {least} to {_LARGEST:,}"
        case "float":
            number = type(value) in (int, float) and 0 <= cast("float", value) <= 1
            return None if number and math.isfinite(cast("float", value)) else "a number from 0 to 1"
        case _:
            return None if isinstance(value, str) else "a text"
