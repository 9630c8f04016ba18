"""The training loop on single pictures."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)
_WARM_UP = 0.05
"""Share of a run in which the learning rate rises."""
_LOGGED_EVERY = 20
"""Steps between logged losses."""

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class PictureTraining:
    """Settings of a run on random squares of pictures."""

    steps: int = 1000
    batch: int = 8
    learning_rate: float = 1e-3
    """The peak: it rises over the first twentieth of the run and falls to 0 along a cosine."""
    weight_decay: float = 1e-4
    clip_norm: float = 10.0
    """Maximum norm of all gradients together."""
    crop: int = 224
    """Side of the square."""
    frames_per_video: int = 4
    """Frames taken from a video at a time, each time it is decoded."""
    shuffle_buffer: int = 128
    """Pictures kept in memory to draw from, so that a batch mixes videos."""
    seed: int = 0


class PictureTrainingError(RuntimeError):
    """Training cannot continue; the message says what to change."""


def optimise(
    optimiser: torch.optim.Optimizer,
    batches: Iterator[Batch],
    losses: Callable[[Batch], Mapping[str, Tensor]],
    settings: PictureTraining,
    minutes: float | None = None,
) -> int:
    """Train for `settings.steps` steps or `minutes`, whichever ends first, and return the steps taken.

    `losses` gives the terms of a batch's loss by name; their sum is minimised. Raises `PictureTrainingError` if it is
    not finite.
    """
    weights: list[nn.Parameter] = [weight for group in optimiser.param_groups for weight in group["params"]]
    began, seconds = time.monotonic(), math.inf if minutes is None else max(minutes * 60, 1e-9)
    for step in range(settings.steps):
        done = max(step / settings.steps, (time.monotonic() - began) / seconds)
        if done >= 1:
            return step
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(done / _WARM_UP, 0.5 * (1 + math.cos(math.pi * done)))
        terms = losses(next(batches))
        total = total_loss(terms)
        if not torch.isfinite(total):
            raise PictureTrainingError(
                f"the loss is {total.item()} at step {step}: train with a lower learning rate than "
                f"{settings.learning_rate}"
            )
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(weights, settings.clip_norm)
        optimiser.step()
        if step % _LOGGED_EVERY == 0:
            shown = ", ".join(f"{name} {float(value.detach().sum()):.3f}" for name, value in sorted(terms.items()))
            logger.info("step %d of %d: %s", step, settings.steps, shown)
    return settings.steps


def total_loss(terms: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the terms of a loss, a scalar."""
    return torch.stack([value.sum() for value in terms.values()]).sum()
