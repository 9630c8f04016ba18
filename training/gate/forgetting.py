"""Whether a new checkpoint still knows what the old one knew: both answer the same generated sequences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.checkpoint import DEFAULT_WINDOW_STEPS, Checkpoint
from stages.heads.network import ActionNetwork
from training.gate.decision import Sequences
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors, unseen_regions
from training.synthetic.sequences.generator import Generator

EACH = 40
"""Sequences of an action. With 24 actions, the loss of nine of them, and no gain, is significant."""
_SEED = 19


def sequences_of_actions(
    old: Checkpoint,
    new: Checkpoint,
    motions: Path,
    *,
    each: int = EACH,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Sequences]:
    """Return for each action of `old` that can be generated what both checkpoints answer at the last step.

    Motions, people and cameras are held out of training. `motions`: folder of motion clips. `progress` is called with
    (actions done, actions). Sequences that do not show their action are left out. Empty if `old` has no such action.
    """
    words = old.vocabulary.actions
    try:
        generator = Generator(motions, old.vocabulary, _SEED, held_out=True, partial=True)
    except ValueError:  # its actions are all others
        return {}
    window = min(one.window or DEFAULT_WINDOW_STEPS for one in (old, new))
    found: dict[str, Sequences] = {}
    for done, action in enumerate(generator.actions, 1):
        batch = to_tensors(generator.batch(each, window, action=action))
        rows = torch.arange(len(batch.last))
        shows = (batch.action[rows, batch.last] == words.index(action)).numpy()
        right_old, right_new = (_right(one.network, batch, action)[shows] for one in (old, new))
        found[action] = Sequences(
            shown=int(shows.sum()),
            old=int(right_old.sum()),
            new=int(right_new.sum()),
            lost=int((right_old & ~right_new).sum()),
            gained=int((right_new & ~right_old).sum()),
        )
        if progress is not None:
            progress(done, len(generator.actions))
    return found


@torch.no_grad()
def _right(network: ActionNetwork, batch: Tensors, action: str) -> NDArray[np.bool_]:
    """Return whether the network answers `action` at the last step of each sequence [n]."""
    there = batch.to(network.part_mean.device)
    regions = unseen_regions(network, there.real.numel())
    read = network.eval()(there.parts, there.context, there.present, there.dt, regions)
    rows = torch.arange(len(there.last), device=there.last.device)
    answers = read.action_logits[rows, there.last].argmax(-1).cpu().numpy()
    names = network.vocabulary.actions
    return np.array([names[answer] == action for answer in answers.tolist()], bool)
