"""The last error in the log of a process that has ended."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from telemetry.redaction import redact

MOST_BYTES, MOST_LINES, MOST_LETTERS = 16_384, 50, 500
"""How much of the end of a log is read, and how long an error may be."""
PREFIX = "partstream: "
"""Begins the message with which a command ends."""


_LINE = re.compile(r"\d\d:\d\d:\d\d\.\d+ (\w+) +\S+: (.*)")
"""A line of a log that is not JSON."""


def size_of(log: Path) -> int:
    """Return the size of a log; 0 if there is none."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def last_error(log: Path, begin: int) -> str:
    """Return the last error after byte `begin` of the log, on one line and without secrets; empty if there is none.

    That is the message of the command, a line of the log with an error, or the last line of other text.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(begin if begin <= size else 0, size - MOST_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return redact(_last_error([line for line in text.splitlines() if line.strip()][-MOST_LINES:]))[:MOST_LETTERS]


def _last_error(lines: list[str]) -> str:
    plain: list[str] = []
    for line in reversed(lines):
        record = _record(line)
        if record is None:
            plain.insert(0, line.strip())
            if line.startswith(PREFIX):
                return " ".join(plain).removeprefix(PREFIX)
        elif plain:
            break
        elif record.get("level") in ("error", "critical"):
            return str(record.get("message", ""))
    return plain[-1] if plain else ""


def _record(line: str) -> dict[str, Any] | None:
    if found := _LINE.match(line):
        return {"level": found[1].lower(), "message": found[2]}
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
