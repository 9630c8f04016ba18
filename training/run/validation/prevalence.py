"""Adjusting a network's action scores to how often the actions occur in use.

Training draws actions almost evenly, but a camera sees far more people who walk than people who carry something, and
from keypoints alone the two often look alike. By Bayes' rule a shift of the class shares adds a constant to each logit
(Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", 2002).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch

from stages.heads.action_lstm import ActionLSTM
from stages.heads.hierarchical_scores import HierarchicalScores
from stages.heads.network import ActionNetwork


def check_actions(names: Iterable[str], actions: Sequence[str], setting: str) -> None:
    """Raise ValueError if a name in the setting `actions.<setting>` is not one of `actions`."""
    if unknown := sorted(set(names) - set(actions)):
        raise ValueError(f"actions.{setting}: there is no action {', '.join(unknown)}; there are {', '.join(actions)}")


@torch.no_grad()
def apply_prevalence(network: ActionNetwork, prevalence: Mapping[str, float]) -> None:
    """Change the action scores in place; `prevalence` is how often an action occurs, relative to training.

    The odds of its published score against actions that are not listed change by this factor. Raises ValueError as
    `check_actions`.
    """
    actions = network.vocabulary.actions
    check_actions(prevalence, actions, "prevalence")
    temperature = float(network.action_lstm.temperature)
    layers = [network.frame_scores]
    if isinstance(network.action_lstm, ActionLSTM):
        layers.append(network.action_lstm.scores)
    for name, times in prevalence.items():
        for layer in layers:
            # With several heads, a bias would change the odds within one head only.
            bias = layer.shift if isinstance(layer, HierarchicalScores) else layer.bias
            # Logits are divided by the temperature afterwards.
            bias[actions.index(name)] += math.log(times) * temperature
