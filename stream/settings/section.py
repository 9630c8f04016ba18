"""What all sections of the configuration are made of."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class ConfigError(ValueError):
    """The configuration can't be used; the message names the file and the field and says what to do."""


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, so that a typing mistake never passes for a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)
