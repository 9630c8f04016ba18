"""Finding: what one check of the doctor saw, how serious it is, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from telemetry.redaction import HIDDEN, redact

Level = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: its name, what was seen, and what to do (empty if all is well).

    A warning does not stop anything from working; a fault does.
    """

    check: str
    level: Level
    seen: str
    remedy: str = ""

    def without(self, secrets: Sequence[str]) -> Finding:
        """Return the finding without these secrets and, in `seen`, without what looks like one."""
        return replace(self, seen=redact(_hidden(self.seen, secrets)), remedy=_hidden(self.remedy, secrets))


def ok(check: str, seen: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, "ok", seen)


def warning(check: str, seen: str, remedy: str) -> Finding:
    """Return a finding that stops nothing from working."""
    return Finding(check, "warning", seen, remedy)


def fault(check: str, seen: str, remedy: str) -> Finding:
    """Return a finding that stops something from working."""
    return Finding(check, "fault", seen, remedy)


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
