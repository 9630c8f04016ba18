"""The loss: part states, relevance, and the action of each frame, of every step and of the last (docs/training.md)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.heads.network import SequenceOutputs
from training.sequences import Tensors
from training.settings.run_config import StatesConfig, TrainingConfig

TERMS = ("total", "states", "relevance", "frame", "every_step", "last_step", "excluded")
"""Names of reported and logged losses: the weighted sum, then its unweighted terms; `excluded` only with verdicts."""


def measure_rarity(batches: Sequence[Tensors], config: StatesConfig) -> Tensor:
    """Return the weights of positives [parts, states] by the rarity of part states in the batches."""
    known = torch.cat([batch.states_known.flatten(0, 1) for batch in batches])
    there = torch.cat([batch.states.flatten(0, 1) for batch in batches]) & known
    return positive_weights(there.sum(0) / known.sum(0).clamp(min=1), config)


def positive_weights(share: Tensor, config: StatesConfig) -> Tensor:
    """Return the weight of positives [parts, states] for each state's `share` of steps, by the root of rarity."""
    if config.loss != "weighted":
        return torch.ones_like(share)
    least, greatest = config.positive_limits
    return ((1 - share) / share.clamp(min=1e-3)).sqrt().clamp(least, greatest)


def losses(
    outputs: SequenceOutputs, target: Tensors, mask: Tensor, positive: Tensor, config: TrainingConfig
) -> dict[str, Tensor]:
    """Return scalars by the names in `TERMS`.

    `mask` bool [parts, states]: the states of each part; `positive` float32 [parts, states]: weights of positives.
    """
    actions = config.actions
    some = target.present[..., None] & target.states_known & mask
    state = state_loss(outputs.state_logits, target.states.float(), positive, config.states)
    state = (state * some).sum() / some.sum().clamp(min=1)
    known = target.present & target.relevance_known
    relevance = F.binary_cross_entropy_with_logits(outputs.relevance_logits, target.relevance.float(), reduction="none")
    relevance = (relevance * known).sum() / known.sum().clamp(min=1)

    def action(logits: Tensor, truth: Tensor) -> Tensor:
        if not bool((truth >= 0).any()):
            return logits.sum() * 0.0
        return F.cross_entropy(logits, truth, ignore_index=-1, label_smoothing=actions.label_smoothing)

    frame = action(outputs.frame_logits.flatten(0, 1), target.action.flatten())
    every = action(outputs.action_logits.flatten(0, 1), target.action.flatten())
    rows = torch.arange(len(target.last), device=target.last.device)
    last = action(outputs.action_logits[rows, target.last], target.action[rows, target.last])
    total = (
        config.states.weight * state
        + config.relevance.weight * relevance
        + actions.frame_weight * frame
        + actions.every_step_weight * every
        + actions.last_step_weight * last
    )
    terms: dict[str, Tensor] = dict(zip(TERMS, (total, state, relevance, frame, every, last)))
    if target.excluded is not None:
        terms["excluded"] = excluded_loss(outputs.action_logits, target.excluded)
        terms["total"] = terms["total"] + config.data.verdicts.wrong_weight * terms["excluded"]
    return terms


def excluded_loss(logits: Tensor, excluded: Tensor) -> Tensor:
    """Return the mean of −log(1 − p) over the steps with an excluded action, whose probability is p; 0 without any.

    `logits` [N, T, actions], `excluded` int64 [N, T], −1 for none. The others gain in proportion to their probability.
    """
    some = excluded >= 0
    # In logarithms, because 1 − p is 0 in float32 for a certain answer.
    others = logits.masked_fill(excluded_actions(excluded, logits.shape[-1]), -torch.inf)
    lost = logits.logsumexp(-1) - others.logsumexp(-1)
    return (lost * some).sum() / some.sum().clamp(min=1)


def excluded_actions(excluded: Tensor, actions: int) -> Tensor:
    """Return bool [N, T, actions], true at the excluded action of a step. `excluded` as in `excluded_loss`."""
    return excluded[..., None] == torch.arange(actions, device=excluded.device)


def state_loss(logits: Tensor, truth: Tensor, positive: Tensor, config: StatesConfig) -> Tensor:
    """Return the binary cross-entropy of each entry [N, T, parts, states], weighted or focal by the configuration.

    Focal: alpha_t · (1 − p_t)^gamma · cross-entropy, where p_t is the probability of the truth (Lin et al. 2017).
    """
    if config.loss != "focal":
        return F.binary_cross_entropy_with_logits(logits, truth, pos_weight=positive, reduction="none")
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    missed = torch.sigmoid(torch.where(truth > 0.5, -logits, logits))
    share = torch.where(truth > 0.5, config.focal_alpha, 1 - config.focal_alpha)
    return share * missed.clamp(min=1e-8).pow(config.focal_gamma) * entropy
