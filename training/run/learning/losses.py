"""The loss: part states, relevance, and the action of each frame, of every step and of the last (docs/training.md); and
keeping the answers of the network that a run starts from, while it learns from clips.

That is distillation as in learning without forgetting (Li and Hoiem, 2016): on everything except the clips, the answers
of the frozen initial network replace the labels.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.heads.network import ActionNetwork, SequenceOutputs
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


_NEVER = -1e4
"""A score whose probability is 0 in float32. Infinity would give 0 · ∞ in the divergence."""


class KeptAnswers:
    """The answers of a starting network, whose actions are the first of the learning network's."""

    def __init__(self, start: ActionNetwork, clips: slice, weight: float, device: torch.device) -> None:
        """`clips`: the rows of a batch that are clips, whose labels count."""
        self._start = copy.deepcopy(start).to(device).eval().requires_grad_(False)
        self._clips = clips
        self.weight = weight

    def unlabelled(self, target: Tensors) -> Tensors:
        """Return the batch with the labels of clips alone."""
        clips = self._is_clip(target)
        return dataclasses.replace(
            target,
            action=torch.where(clips[:, None], target.action, -1),
            states_known=target.states_known & clips[:, None, None, None],
            relevance_known=target.relevance_known & clips[:, None, None],
        )

    def loss(self, outputs: SequenceOutputs, target: Tensors, mask: Tensor) -> Tensor:
        """Return the distance to the starting network's answers; 0 where all are the same.

        `target` has all labels. Where a step's label is an old action, a new one counts as wrong. Elsewhere only the
        odds of the old actions among each other are kept, because the step may show a new action. Clips of old
        actions keep only part states and relevance. Where an action is excluded, the odds of the others are kept.
        `mask` bool [parts, states].
        """
        with torch.no_grad():
            answers = self._start(target.parts, target.context, target.present, target.dt, real=target.real)
        old = answers.action_logits.shape[-1]
        clips = self._is_clip(target)[:, None]
        labelled = target.real & ~clips & (target.action >= 0) & (target.action < old)
        open_steps = target.real & ~labelled & ~(clips & (target.action >= 0) & (target.action < old))
        excluded = None if target.excluded is None else excluded_actions(target.excluded, old)

        def distance(logits: Tensor, kept: Tensor) -> Tensor:
            known = logits[..., :old]
            if excluded is not None:
                kept, known = (scores.masked_fill(excluded, _NEVER) for scores in (kept, known))
            wanted = kept.softmax(-1)
            full = F.kl_div(logits.log_softmax(-1)[..., :old], wanted, reduction="none").sum(-1)
            among = F.kl_div(known.log_softmax(-1), wanted, reduction="none").sum(-1)
            return _mean(torch.where(labelled, full, among), labelled | open_steps)

        actions = distance(outputs.action_logits, answers.action_logits)
        frames = distance(outputs.frame_logits, answers.frame_logits)
        shown = target.present & target.real[..., None]
        states = _binary_distance(outputs.state_logits, answers.state_logits)
        relevance = _binary_distance(outputs.relevance_logits, answers.relevance_logits)
        return actions + 0.5 * frames + _mean(states, shown[..., None] & mask) + _mean(relevance, shown)

    def _is_clip(self, target: Tensors) -> Tensor:
        found = torch.zeros(len(target.last), dtype=torch.bool, device=target.last.device)
        found[self._clips] = True
        return found


def _binary_distance(logits: Tensor, kept: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of each entry from the one that is kept."""
    wanted = torch.sigmoid(kept)
    least = F.binary_cross_entropy_with_logits(kept, wanted, reduction="none")
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") - least


def _mean(values: Tensor, of: Tensor) -> Tensor:
    return (values * of).sum() / of.sum().clamp(min=1)
