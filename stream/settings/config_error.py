"""The error of an invalid configuration."""

from __future__ import annotations


class ConfigError(ValueError):
    """The configuration is invalid; the message names the file and the field and says what to do."""
