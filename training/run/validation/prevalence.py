"""Moves a network's action scores from how often training shows the actions to how often they occur in use.

Training draws actions almost evenly, and a camera does not: for each who carries something it sees many who walk, and
from keypoints alone the two often look alike. By Bayes' rule such a shift of the shares of classes is an addition to
their logits (Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities",
2002). Owns nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from stages.heads.action_lstm import ActionLSTM
from stages.heads.network import ActionNetwork


def check_prevalence(prevalence: Mapping[str, float], actions: Sequence[str]) -> None:
    """Raises ValueError for an action that isn't one of `actions`."""
    if unknown := sorted(set(prevalence) - set(actions)):
        raise ValueError(f"actions.prevalence: there is no action {', '.join(unknown)}; there are {', '.join(actions)}")


@torch.no_grad()
def expect(network: ActionNetwork, prevalence: Mapping[str, float]) -> None:
    """Change the action scores in place: `prevalence` says how many times as often as in training an action occurs.

    The odds of its published score, beside those of actions that aren't named, change by just that factor. Raises
    ValueError as `check_prevalence`.
    """
    actions = network.vocabulary.actions
    check_prevalence(prevalence, actions)
    temperature = float(network.action_lstm.temperature)
    layers = [network.frame_scores]
    if isinstance(network.action_lstm, ActionLSTM):
        layers.append(network.action_lstm.scores)
    for name, times in prevalence.items():
        for layer in layers:
            # Logits are divided by the temperature after this.
            layer.bias[actions.index(name)] += math.log(times) * temperature
