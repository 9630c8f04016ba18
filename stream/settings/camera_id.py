"""Camera ids: their form, and the error for another one."""

from __future__ import annotations

import re

from stream.settings.source_address import quoted

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MAX_LENGTH = 63


def camera_id_error(value: str) -> str:
    """Return the message for a camera id that does not match `CAMERA_ID`, with a similar id that does."""
    similar = "" if "://" in value else re.sub(r"[^a-z0-9_]+", "-", value.lower()).strip("-_")[:_MAX_LENGTH]
    long = f", at most {_MAX_LENGTH} characters" if len(value) > _MAX_LENGTH else ""
    return f"camera id {quoted(value)}: use a-z, 0-9, - and _{long}, for example {similar or 'cam0'}"
