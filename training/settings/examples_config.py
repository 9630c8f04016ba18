"""Settings for adding actions to a checkpoint from a few clips of each (docs/train-your-own.md)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from training.settings.clips_config import ClipsConfig


class ExamplesConfig(ClipsConfig):
    """A few clips of each new action, added to the actions of the checkpoint `start` (docs/train-your-own.md)."""

    name: ClassVar[str] = "examples"

    folder: str | None = Field(
        None, min_length=1, description="Folder with a folder of clips for each action; null: no examples."
    )
    hold_out: bool = Field(
        True,
        description="Hold out one in five clips of each action with at least five, to measure how often the action is "
        "recognised. false: train on all clips and measure nothing.",
    )
