"""Settings for learning from verdicts on recorded clips (docs/train-your-own.md)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from training.settings.clips_config import ClipsConfig


class VerdictsConfig(ClipsConfig):
    """Verdicts of the review page on clips, from which the checkpoint `start` learns (docs/train-your-own.md)."""

    name: ClassVar[str] = "verdicts"

    folder: str | None = Field(
        None, min_length=1, description="Folder of verdicts, as the review page fills it; null: no verdicts."
    )
    hold_out: bool = Field(
        True,
        description="Hold out about one in five clips, by camera and time, to measure on. false: learn from all clips "
        "and measure nothing.",
    )
    wrong_weight: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Weight of the loss of an action that was said wrongly: -log(1 - its probability).",
    )
