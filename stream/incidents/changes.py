"""What the store's writer executes."""

from __future__ import annotations

from typing import Any, NamedTuple

from stream.incidents.incident import Kind


class Statement(NamedTuple):
    """A statement with its values."""

    sql: str
    values: Any


class Change(NamedTuple):
    """What a message changes, all of it or nothing, and of what kind that is; None for no incident."""

    kind: Kind | None
    statements: list[Statement]
