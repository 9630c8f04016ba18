"""What becomes of the actions that a checkpoint knew: its answers on generated sequences of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork
from stages.vocabulary import Vocabulary
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors
from training.synthetic.sequences.generator import Generator

_AT_ONCE = 96

Shares = dict[str, Mapping[str, float]]
"""For each true action, the share of each answer."""


class KnownActions:
    """Sequences of held-out people and motions that end with each action of a vocabulary in turn."""

    def __init__(self, known: Vocabulary, motions: Path, sequences: int, *, window: int, seed: int) -> None:
        """`sequences`: 0 for none."""
        self._sequences = list(_generated(known, motions, sequences, window, seed)) if sequences else []

    @torch.no_grad()
    def answers(self, network: ActionNetwork) -> tuple[Shares, float]:
        """Return for each action the share of its last steps with each answer, and the mean of the shares of right
        ones; nothing and 0 without sequences."""
        if not self._sequences:
            return {}, 0.0
        training, names = network.training, network.vocabulary.actions
        network.eval()
        truth: list[NDArray[np.int64]] = []
        answer: list[NDArray[np.int64]] = []
        for batch in self._sequences:
            target = batch.to(network.part_mean.device)
            read = network(target.parts, target.context, target.present, target.dt)
            rows = torch.arange(len(target.last), device=target.last.device)
            truth.append(target.action[rows, target.last].cpu().numpy())
            answer.append(read.action_logits[rows, target.last].argmax(-1).cpu().numpy())
        network.train(training)
        right, given = np.concatenate(truth), np.concatenate(answer)
        found: Shares = {
            names[index]: answer_shares(given[right == index], names) for index in np.unique(right[right >= 0]).tolist()
        }
        return found, float(np.mean([answers.get(action, 0.0) for action, answers in found.items()]))

    def change(self, before: ActionNetwork, after: ActionNetwork) -> dict[str, float]:
        """Return `before` and `after`: the mean accuracy over the actions, of two networks; nothing without
        sequences."""
        if not self._sequences:
            return {}
        return {name: round(self.answers(one)[1], 4) for name, one in (("before", before), ("after", after))}


def answer_shares(answers: NDArray[np.int64], names: Sequence[str]) -> Mapping[str, float]:
    """Return the share of each answer that occurs. `answers` int64 [n], by the place in `names`."""
    counts = np.bincount(answers, minlength=len(names)) / len(answers)
    return {name: float(share) for name, share in zip(names, counts, strict=True) if share}


def _generated(known: Vocabulary, motions: Path, sequences: int, window: int, seed: int) -> Iterator[Tensors]:
    generator = Generator(motions, known, seed, held_out=True, partial=True)
    ends = [generator.actions[number % len(generator.actions)] for number in range(sequences)]
    for first in range(0, len(ends), _AT_ONCE):
        some = ends[first : first + _AT_ONCE]
        yield to_tensors(generator.batch(len(some), window, action=some))
