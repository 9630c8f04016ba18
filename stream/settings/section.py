"""Definitions that all sections of the configuration share."""

from __future__ import annotations

import re

from stages.settings import Section

__all__ = ["CAMERA_ID", "ConfigError", "Section"]

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class ConfigError(ValueError):
    """The configuration is invalid; the message names the file and the field and says what to do."""
