"""Checkpoints that are worse than `edge` in a known way, and one of a few of its actions for quick tests."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from stages.checkpoint import Checkpoint
from stages.heads.network import ActionNetwork
from stages.profiles import load_checkpoint
from training.run.learning.warm_start import begin_from


def edge_of(*actions: str) -> Checkpoint:
    """Return `edge` with only these actions, which it tells apart as before."""
    edge = load_checkpoint("edge")
    words = replace(edge.vocabulary, actions=actions)
    network = ActionNetwork(edge.network.config, words, edge.network.language_priors.table)
    begin_from(network, edge.network)
    return Checkpoint(network.eval().requires_grad_(False), edge.profile, True, edge.language_model)


def shuffled(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint as if it had learned each action under the name of the next one."""
    return _changed(checkpoint, lambda values: values.roll(1, 0))


def without_answering(checkpoint: Checkpoint, action: str) -> Checkpoint:
    """Return the checkpoint as if it had forgotten an action: it never answers it."""
    at = checkpoint.vocabulary.action_index(action)

    def never(values: Tensor) -> Tensor:
        forgotten = values.clone()
        forgotten[at] = -1e4 if values.dim() == 1 else 0
        return forgotten

    return _changed(checkpoint, never)


def _changed(checkpoint: Checkpoint, change: Callable[[Tensor], Tensor]) -> Checkpoint:
    network = copy.deepcopy(checkpoint.network)
    scores = network.action_lstm.state_dict()
    for name in ("scores.weight", "scores.bias"):
        scores[name].copy_(change(scores[name]))
    return replace(checkpoint, network=network, sha256="")
