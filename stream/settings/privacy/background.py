"""Setting of a camera's approved background: a picture over which people are drawn in skeleton mode."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator

from stages.settings import Section


class BackgroundConfig(Section):
    """A picture without people, over which people are drawn in skeleton mode (docs/privacy.md)."""

    file: Path = Field(description="JPEG or PNG.")
    sha256: str = Field(description="SHA-256 of the file in hex. A file with another one is not used.")
    approved_by: str = Field(
        min_length=1, max_length=200, description="Who has looked at the picture and approves that it is shown."
    )

    @field_validator("sha256")
    @classmethod
    def _is_a_digest(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", value.lower()):
            raise ValueError("must be a SHA-256: 64 hex digits")
        return value.lower()
