"""How much of a camera's pictures is hidden."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from stages.settings import Section

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
