"""The sizes of a run's network, if it starts from a checkpoint."""

from __future__ import annotations

from stages.checkpoint import Checkpoint
from training.settings.model_config import ModelConfig
from training.settings.run_config import TrainingConfig

_OWN = frozenset({"dropout", "action_dropout", "part_dropout", "geometry"})
"""Settings of the network that do not depend on where a run starts, beside those of its regions."""


def with_sizes_of(config: TrainingConfig, start: Checkpoint) -> TrainingConfig:
    """Return the configuration with the sizes and stages of `start`'s network that it does not set itself."""
    theirs = start.network.config.to_dict()
    taken = {
        name: theirs[name]
        for name in ModelConfig.model_fields
        if name in theirs
        and name not in config.model.model_fields_set
        and name not in _OWN
        and not name.startswith("visual")
    }
    given = config.model.model_dump(exclude_unset=True)
    return config.model_copy(update={"model": ModelConfig.model_validate(given | taken)})
