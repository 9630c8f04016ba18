"""A tiny training run, and a stand-in for the language table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stages.language.prior_table import PriorTable
from stages.third_party import weights
from stages.vocabulary import Vocabulary, packaged
from training.run.learning.training_run import Run
from training.settings.run_config import TrainingConfig, load

TINY: dict[str, Any] = {
    "steps": 8,
    "precision": "float32",
    "data": {"batch": 6, "window": 8, "normalisation_batches": 1, "reuse": 2, "pool": 2},
    "optimiser": {"warm_up": 2},
    "evaluation": {"sequences": 0, "calibration_sequences": 0},
    "model": {"relevance_hidden": 8, "state_hidden": 16, "prior_hidden": 8, "graph_hidden": 16, "action_hidden": 16},
}
EVERYTHING: dict[str, Any] = {
    "precision": "bfloat16",
    "optimiser": {"warm_up": 2, "ema_decay": 0.9},
    "states": {"loss": "focal"},
    "actions": {"balance": "sampling"},
    "evaluation": {"sequences": 0, "calibration_sequences": 0, "every": 4, "selection_sequences": 11},
}
"""Changes to `TINY` that enable each feature with its own state."""


def tiny(**changes: Any) -> TrainingConfig:
    """Return the configuration of a short run, with `changes` merged section by section."""
    merged = {name: {**value} if isinstance(value, dict) else value for name, value in TINY.items()}
    for name, value in changes.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return load(None, merged)


def motion_clips() -> Path:
    return weights.fetch("motion")


def stand_in_priors() -> torch.Tensor:
    """Return random priors; the language model's own are tested with the table."""
    mask = torch.from_numpy(packaged("edge").mask())
    noise = torch.randn(*mask.shape, 48, generator=torch.Generator().manual_seed(0))
    return noise * mask[..., None] * 0.1


def stand_in_table(vocabulary: Vocabulary | None = None, rows: torch.Tensor | None = None) -> PriorTable:
    """Return a table for `train`."""
    made = stand_in_priors() if rows is None else rows
    return PriorTable(made, "stand-in", "")


def started(config: TrainingConfig) -> Run:
    """Return a run before its first step."""
    run = Run(config, motion_clips(), stand_in_priors(), packaged("edge"))
    run.normalise()
    return run
