"""The sizes of a run's network, if it starts from a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from stages.checkpoint import Checkpoint
from stages.settings_file import error_text
from training.run.learning.training_run import TrainingError
from training.settings.model_config import ModelConfig
from training.settings.run_config import TrainingConfig

_OWN = frozenset({"dropout", "action_dropout", "part_dropout", "geometry"})
"""Settings of the network that do not depend on where a run starts, beside those of its regions."""


def with_sizes_of(config: TrainingConfig, start: Checkpoint) -> TrainingConfig:
    """Return the configuration with the sizes and stages of `start`'s network that it does not set itself.

    Raises TrainingError for a network that this version cannot train.
    """
    theirs = dataclasses.asdict(start.network.config)
    taken = {
        name: theirs[name]
        for name in ModelConfig.model_fields
        if name in theirs
        and name not in config.model.model_fields_set
        and name not in _OWN
        and not name.startswith("visual")
    }
    given = config.model.model_dump(exclude_unset=True)
    return config.model_copy(update={"model": model_of_start(given | taken, config.start)})


def model_of_start(settings: Mapping[str, Any], start: str | None) -> ModelConfig:
    """Return the section `model` with settings of the checkpoint `start`.

    Raises TrainingError for a network that this version cannot train.
    """
    try:
        return ModelConfig.model_validate(settings)
    except ValidationError as error:
        found = error_text(error, ModelConfig, command="partstream train config", show_values=True)
        raise TrainingError(f"start: {start}: its network can't be trained: {found}; use another checkpoint") from None
