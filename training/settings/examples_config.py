"""Settings for adding actions to a checkpoint from a few clips of each (docs/train-your-own.md)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from training.settings.model_config import Section


class ExamplesConfig(Section):
    """A few clips of each new action, added to the actions of the checkpoint `start` (docs/train-your-own.md)."""

    folder: str | None = Field(
        None, min_length=1, description="Folder with a folder of clips for each action; null: no examples."
    )
    share: float = Field(0.25, gt=0, le=0.9, description="Share of a batch from the clips.")
    hold_out: bool = Field(
        True,
        description="Of an action with at least five clips, one in five is not learned from: it measures how often the "
        "action is recognised. false: all clips are learned from, and nothing is measured.",
    )
    keep_weight: float = Field(
        12.0,
        ge=0,
        le=1000,
        description="Weight of the distance to the answers of `start` on everything but the clips, where those answers "
        "replace the labels. 0: the labels of generated and recorded motion are learned instead.",
    )
    odds: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Factor on the odds of a new action at the end of the run, because the clips are a larger share of "
        "a batch than of what a camera sees. Smaller values give fewer false answers and fewer right ones.",
    )


DEFAULTS: dict[str, Any] = {
    "steps": 300,
    "data": {"normalisation_batches": 1},
    "optimiser": {"learning_rate": 0.001, "warm_up": 20, "ema_decay": 0.98},
    "actions": {"balance": "sampling"},
    "evaluation": {"sequences": 480, "calibration_sequences": 0},
}
"""Settings of a run with examples, where neither a file nor an option gives others: a short run with small steps that
keeps the temperature of `start`."""
MINUTES = 10.0
"""Longest run with examples unless `--minutes` says otherwise, with the time to watch the clips."""
