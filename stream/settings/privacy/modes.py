"""How much of a camera's pictures is hidden."""

from __future__ import annotations

from typing import Literal

PrivacyMode = Literal["off", "masked"]
"""`masked`: parts are black."""
