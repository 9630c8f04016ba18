"""Tiny runs in which a checkpoint learns from clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages.heads.network import ActionNetwork
from support.training.training_examples import motion_clips, tiny
from training.run.clip_run import ClipRun, for_clips
from training.run.learning.training_run import Run
from training.run.train import Outcome, train
from training.sequences import Tensors
from training.settings.run_config import TrainingConfig


def on_clips(run: ClipRun, section: dict[str, Any] | None = None, **changes: Any) -> TrainingConfig:
    """Return the configuration of a tiny run; `section`: changes to that of the clips."""
    data = {run.name: {"folder": "my_clips", **(section or {})}, **changes.pop("data", {})}
    optimiser = {"learning_rate": 0.005, "warm_up": 2, "ema_decay": 0.0}
    return for_clips(tiny(start="edge", data=data, optimiser=optimiser, **changes), run)


def begun(run: ClipRun, config: TrainingConfig) -> Run:
    """Return a run before its first step."""
    made = Run(
        config,
        motion_clips(),
        run.priors().rows,
        run.vocabulary,
        recorded={run.name: run.source(config.seed)},
        known=run.start.network,
    )
    made.normalise()
    made.start_from("start")
    return made


def trained(run: ClipRun, out: Path, config: TrainingConfig, **options: Any) -> Outcome:
    """Train to the end."""
    return train(config, out, motions=motion_clips(), clips=run, **options)


@torch.no_grad()
def probabilities(network: ActionNetwork, batch: Tensors) -> Tensor:
    """Return the probability of each action at each step, [N, T, actions]."""
    network.eval()
    return network(batch.parts, batch.context, batch.present, batch.dt).action_logits.softmax(-1)


def generated(run: ClipRun, config: TrainingConfig) -> Tensors:
    """Return fixed generated sequences, drawn like the run's own."""
    return begun(run, config).batches.sources["generated"].batch(24, 8)
