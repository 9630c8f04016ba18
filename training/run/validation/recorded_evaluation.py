"""Evaluation on recorded motion of people who do not train: it selects the weights and fits the temperature.

Test people and test videos are not read here: `partstream footage score` looks at them once for each release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork
from stages.vocabulary import Vocabulary
from training.run.validation.scores import calibration_figures, set_temperature
from training.sequences.tensors import Tensors, last_answers
from training.sources.recorded import RecordedMotion

_AT_ONCE = 64
_KINDS = ("captures", "poses", "tracks")


class RecordedEvaluation:
    """Fixed sequences of each kind of source, equally many of each action that the kind has."""

    def __init__(
        self, recorded: RecordedMotion, vocabulary: Vocabulary, *, sequences: int, window: int, seed: int
    ) -> None:
        """`sequences`: of each kind of source. Raises ValueError if no person is held out."""
        self.batches: dict[str, list[Tensors]] = {}
        for kind in _KINDS:
            if kind not in recorded.available:
                continue
            try:
                source = recorded.source(kind, vocabulary, seed, {}, "validation")
            except ValueError:
                continue  # no person of this kind is held out
            counts = [_AT_ONCE] * (sequences // _AT_ONCE) + [sequences % _AT_ONCE]
            self.batches[kind] = [source.batch(count, window) for count in counts if count]
        if not self.batches:
            raise ValueError(f"{recorded.folder}: no recorded person is held out (a source needs at least ten people)")

    def metric(self, network: ActionNetwork) -> float:
        """Return the kinds' mean of the actions' mean share of sequences whose last step is right."""
        return float(np.mean([figures["macro_accuracy"] for figures in self._by_kind(network).values()]))

    def calibrate(self, network: ActionNetwork) -> None:
        """Fit the temperature of the action's score on the last steps, and set it."""
        set_temperature(network, lambda: self._every_answer(network))

    def figures(self, network: ActionNetwork) -> dict[str, Any]:
        """Return accuracy by action and its mean for each kind of source, and the calibration of the score."""
        logits, truth = self._every_answer(network)
        kinds = self._by_kind(network)
        return {
            "macro_accuracy": round(float(np.mean([figures["macro_accuracy"] for figures in kinds.values()])), 4),
            "kinds": kinds,
            "calibration": calibration_figures(logits, truth, float(network.action_lstm.temperature)),
        }

    def _by_kind(self, network: ActionNetwork) -> dict[str, Mapping[str, Any]]:
        return {kind: _accuracy(network.vocabulary, *_answers(network, self.batches[kind])) for kind in self.batches}

    def _every_answer(self, network: ActionNetwork) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return _answers(network, [batch for batches in self.batches.values() for batch in batches])


def _answers(network: ActionNetwork, batches: Sequence[Tensors]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits [n, actions] and truth [n] of the last steps whose action is known."""
    found = [last_answers(network, batch) for batch in batches]
    logits, truth = (torch.cat(each).cpu() for each in zip(*found, strict=True))
    return logits[truth >= 0].numpy(), truth[truth >= 0].numpy()


def _accuracy(vocabulary: Vocabulary, logits: NDArray[np.float32], truth: NDArray[np.int64]) -> Mapping[str, Any]:
    right = logits.argmax(1) == truth
    shares = {
        name: round(float(right[truth == index].mean()), 3)
        for index, name in enumerate(vocabulary.actions)
        if (truth == index).any()
    }
    return {"macro_accuracy": round(float(np.mean(list(shares.values()))), 4), "accuracy": shares, "steps": len(truth)}
