"""Settings of privacy: how much of a camera's pictures is hidden, and by what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from stages.settings import Section
from stream.settings.zones import Outline

PrivacyMode = Literal["off", "masked", "skeleton"]
"""`masked`: parts are black. `skeleton`: no pixel leaves the engine. Each hides more than the one before."""
MODES: tuple[PrivacyMode, ...] = ("off", "masked", "skeleton")


def _off(value: object) -> object:
    return "off" if value is False else value  # YAML reads an unquoted `off` as false


WantedPrivacy = Annotated[Literal["off", "skeleton"], BeforeValidator(_off)]


class PrivacyConfig(Section):
    """Privacy of all cameras (docs/privacy.md)."""

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, value: object) -> object:
        if isinstance(value, (str, bool)):  # as a camera's setting is written
            raise ValueError("must be a mapping, for example `privacy: {mode: skeleton}`")
        return value

    video: Literal["draw", "refuse"] = Field(
        "draw",
        description="Clips and live video of cameras with masks or in skeleton mode: `draw` encodes the "
        "masked or drawn pictures; `refuse` provides none.",
    )
    mode: WantedPrivacy = Field(
        "off",
        description="`skeleton`: skeleton mode for all cameras, also those added at run time.",
    )


MOST_MASKS = 32
"""Masks of a camera."""


class MaskConfig(Section):
    """A part of the picture that is blackened before anything can read it (docs/privacy.md)."""

    points: Outline = Field(
        description="Corners in order, as shares of the picture's width and height from the top left, as for zones.",
    )


class BackgroundConfig(Section):
    """A picture without people, over which people are drawn in skeleton mode (docs/privacy.md)."""

    file: Path = Field(description="JPEG or PNG.")
    sha256: Annotated[str, StringConstraints(pattern="^[0-9A-Fa-f]{64}$", to_lower=True)] = Field(
        description="SHA-256 of the file in hex. A file with another one is not used."
    )
    approved_by: str = Field(
        min_length=1, max_length=200, description="Who has looked at the picture and approves that it is shown."
    )
