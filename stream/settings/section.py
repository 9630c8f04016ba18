"""Definitions that all sections of the configuration share."""

from __future__ import annotations

import re

from stages.settings import Section

__all__ = ["CAMERA_ID", "ConfigError", "Section", "camera_id_error"]

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LONGEST_ID = 63


class ConfigError(ValueError):
    """The configuration is invalid; the message names the file and the field and says what to do."""


def camera_id_error(value: str) -> str:
    """Return the message for a camera id that does not match `CAMERA_ID`, with a similar id that does."""
    similar = re.sub(r"[^a-z0-9_]+", "-", value.lower()).strip("-_")[:_LONGEST_ID] or "cam0"
    long = f", at most {_LONGEST_ID} characters" if len(value) > _LONGEST_ID else ""
    return f"camera id {value!r}: use a-z, 0-9, - and _{long}, for example {similar}"
