"""The type in which a training run computes the operations that are safe with fewer bits."""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import nn

from training.settings.run_config import TrainingConfig

logger = logging.getLogger(__name__)


def autocast_type(config: TrainingConfig, device: torch.device) -> torch.dtype | None:
    """Return the type, or None for float32: also for bfloat16 on a CPU that cannot compute LSTMs in it."""
    if config.precision == "float32":
        return None
    if config.precision == "float16":
        return torch.float16
    if device.type == "cpu" and not _cpu_has_bfloat16():
        logger.warning(
            "precision: this processor cannot compute in bfloat16; the run computes in float32; set precision: float32"
        )
        return None
    return torch.bfloat16


@cache
def _cpu_has_bfloat16() -> bool:
    """Return whether torch computes LSTMs in bfloat16 on this processor; torch has no public function for this."""
    try:
        # The weights are random, and must not change the numbers that the run draws.
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", dtype=torch.bfloat16):
            nn.LSTM(4, 4)(torch.zeros(1, 1, 4))
    except RuntimeError:
        return False
    return True
