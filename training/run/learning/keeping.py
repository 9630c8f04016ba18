"""Keeping the answers of the network that a run starts from, while it learns from clips.

Distillation as in learning without forgetting (Li and Hoiem, 2016): on everything except the clips, the answers of
the frozen initial network replace the labels.
"""

from __future__ import annotations

import copy
import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.heads.network import ActionNetwork, SequenceOutputs
from training.run.learning.losses import excluded_actions
from training.sequences import Tensors

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
