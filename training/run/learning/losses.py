"""The loss: part states, relevance, and the action of each frame, of every step and of the last (docs/training.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.heads.network import SequenceOutputs
from training.sequences.tensors import Tensors
from training.settings.run_config import ActionsConfig, StatesConfig, TrainingConfig

TERMS = ("total", "states", "relevance", "frame", "every_step", "last_step", "postures", "excluded")
"""Names of reported and logged losses: the weighted sum, then its unweighted terms. `postures` only if configured,
`excluded` only with verdicts."""


@dataclass(frozen=True, slots=True, eq=False)
class Rarity:
    """Weights of rare labels. `states` float32 [parts, states]: weight of positives; `actions` float32 [actions]:
    weight of steps with that action, None for equal weights."""

    states: Tensor
    actions: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Postures:
    """The posture that an action implies. `columns` int64 [postures]: their actions; `of_action` int64 [actions]: the
    posture's place among them, −1 for none."""

    columns: Tensor
    of_action: Tensor


def implied_postures(actions: Sequence[str], config: TrainingConfig) -> Postures | None:
    """Return the configured postures of `actions`, None without any. Raises ValueError for an unknown name."""
    implied, heads = config.actions.implied_postures, config.model.posture_actions
    if not implied:
        return None
    for action, posture in implied.items():
        if action not in actions or action in heads:
            raise ValueError(f"actions.implied_postures: {action} is not an action outside model.posture_actions")
        if posture not in heads:
            raise ValueError(f"actions.implied_postures: {posture} is not one of model.posture_actions")
    places = [heads.index(implied[name]) if name in implied else -1 for name in actions]
    return Postures(torch.tensor([actions.index(name) for name in heads]), torch.tensor(places))


def posture_loss(logits: Tensor, truth: Tensor, postures: Postures) -> Tensor:
    """Return the cross-entropy of the posture head where the action implies a posture; 0 if none does.

    `logits` [n, actions] of the three heads, `truth` int64 [n], −1 where unknown. All postures have the same factor
    G(none) · M(none), so that a softmax over their composed scores is the posture head alone.
    """
    places = torch.where(truth >= 0, postures.of_action[truth.clamp(min=0)], -1)
    if not bool((places >= 0).any()):
        return logits.sum() * 0.0
    return F.cross_entropy(logits[:, postures.columns], places, ignore_index=-1)


def measure_rarity(batches: Sequence[Tensors], actions: int, config: TrainingConfig) -> Rarity:
    """Return the rarity of part states and of `actions` actions in the batches."""
    known = torch.cat([batch.states_known.flatten(0, 1) for batch in batches])
    there = torch.cat([batch.states.flatten(0, 1) for batch in batches]) & known
    share = there.sum(0) / known.sum(0).clamp(min=1)
    counts = torch.bincount(torch.cat([batch.action[batch.action >= 0] for batch in batches]), minlength=actions)
    return Rarity(positive_weights(share, config.states), action_weights(counts, config.actions))


def positive_weights(share: Tensor, config: StatesConfig) -> Tensor:
    """Return the weight of positives [parts, states] for each state's `share` of steps, by the root of rarity."""
    if config.loss != "weighted":
        return torch.ones_like(share)
    least, greatest = config.positive_limits
    return ((1 - share) / share.clamp(min=1e-3)).sqrt().clamp(least, greatest)


def action_weights(counts: Tensor, config: ActionsConfig) -> Tensor | None:
    """Return limited weights [actions] inversely proportional to `counts`; an action with the average count has 1."""
    if config.balance != "weights":
        return None
    average = counts.sum() / len(counts)
    return (average / counts.clamp(min=1)).clamp(1 / config.greatest_weight, config.greatest_weight).float()


def losses(
    outputs: SequenceOutputs,
    target: Tensors,
    mask: Tensor,
    rarity: Rarity,
    config: TrainingConfig,
    postures: Postures | None = None,
) -> dict[str, Tensor]:
    """Return scalars by the names in `TERMS`. `mask` bool [parts, states]: the states of each part."""
    actions = config.actions
    some = target.present[..., None] & target.states_known & mask
    state = state_loss(outputs.state_logits, target.states.float(), rarity.states, config.states)
    state = (state * some).sum() / some.sum().clamp(min=1)
    known = target.present & target.relevance_known
    relevance = F.binary_cross_entropy_with_logits(outputs.relevance_logits, target.relevance.float(), reduction="none")
    relevance = (relevance * known).sum() / known.sum().clamp(min=1)

    def action(logits: Tensor, truth: Tensor) -> Tensor:
        if not bool((truth >= 0).any()):
            return logits.sum() * 0.0
        return F.cross_entropy(
            logits, truth, weight=rarity.actions, ignore_index=-1, label_smoothing=actions.label_smoothing
        )

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
    if postures is not None:
        terms["postures"] = posture_loss(outputs.action_logits.flatten(0, 1), target.action.flatten(), postures)
        terms["total"] = terms["total"] + actions.posture_weight * terms["postures"]
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
