"""Settings in a checkpoint's metadata: dataclasses as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypeVar

import msgspec

Settings = TypeVar("Settings")


def encoded(settings: Any) -> str:
    """Return a dataclass as JSON."""
    return json.dumps(dataclasses.asdict(settings))


def decoded(kind: type[Settings], text: str, section: str) -> Settings:
    """Return the dataclass `kind` in the JSON of `encoded`. Raises `ValueError` naming the section and what is wrong.

    A field that this version doesn't know is an error: without it, the same weights could give other answers.
    """
    try:
        found = msgspec.json.decode(text, type=kind)
        unknown = sorted(msgspec.json.decode(text, type=dict[str, Any]).keys() - found.__dataclass_fields__)  # pyright: ignore
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"{section}: {error}") from None
    if unknown:
        raise ValueError(f"{section}: unknown fields {unknown}")
    return found
