"""Settings that all runs share in which a checkpoint goes on to learn from clips (docs/train-your-own.md)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from training.settings.model_config import Section


class ClipsConfig(Section):
    """Clips of people from which the checkpoint `start` learns further."""

    name: ClassVar[str] = ""
    """The name of this section, and of the clips' source in batches and in a checkpoint's metrics."""

    folder: str | None = Field(None, min_length=1)
    share: float = Field(0.25, gt=0, le=0.9, description="Share of a batch from the clips.")
    hold_out: bool = Field(True)
    keep_weight: float = Field(
        12.0,
        ge=0,
        le=1000,
        description="Weight of the distance to the answers of `start`, which replace the labels of generated and "
        "recorded motion. 0: the labels are used.",
    )
    odds: float = Field(
        2.0,
        gt=0,
        le=100,
        description="Factor applied to the odds of a new action at the end of the run. A network that saw a few people "
        "is too uncertain about others; the default gave the best balance on held-out people. Smaller values give "
        "fewer false answers and fewer correct ones.",
    )


DEFAULTS: dict[str, Any] = {
    "steps": 300,
    "data": {"normalisation_batches": 1},
    "optimiser": {"learning_rate": 0.001, "warm_up": 20, "ema_decay": 0.98},
    "actions": {"balance": "sampling"},
    "evaluation": {"sequences": 480, "calibration_sequences": 0},
}
"""Settings of a run with clips, where neither a file nor an option gives others: a short run with small steps that
keeps the temperature of `start`."""
MINUTES = 10.0
"""Longest run with clips without `--minutes`, including the analysis of the clips."""
