"""Finding: what one check of the doctor saw, how bad that is, and what to do about it. Owns nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from telemetry.redaction import HIDDEN, redact

Level = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` names what was looked at, `seen` is what was there, `remedy` what to do; empty when all is well.

    A warning is worth knowing and keeps nothing from working; with a fault, something will not work.
    """

    check: str
    level: Level
    seen: str
    remedy: str = ""

    def without(self, secrets: Sequence[str]) -> Finding:
        """The same, showing none of these secrets, nor in `seen` what looks like one. Remedies show what to write."""
        return replace(self, seen=redact(_hidden(self.seen, secrets)), remedy=_hidden(self.remedy, secrets))


def ok(check: str, seen: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", seen)


def warning(check: str, seen: str, remedy: str) -> Finding:
    """It works, and something is worth knowing."""
    return Finding(check, "warning", seen, remedy)


def fault(check: str, seen: str, remedy: str) -> Finding:
    """It will not work like this."""
    return Finding(check, "fault", seen, remedy)


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
