"""Evaluation on recorded motion of people who do not train: it selects the weights and fits the temperature.

Test people and test videos are not read here: `partstream footage score` looks at them once for each release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.heads.network import ActionNetwork
from stages.vocabulary import Vocabulary
from training.run.validation.scores import calibration_figures, fit_temperature
from training.sequences.tensors import Tensors, unseen_regions
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

    def calibrate(self, network: ActionNetwork) -> float:
        """Fit the temperature of the action's score on the last steps, set it and return it."""
        network.action_lstm.temperature.fill_(1.0)
        found = [answer for kind in self.batches for answer in self._answers(network, kind)]
        temperature = fit_temperature(np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found]))
        network.action_lstm.temperature.fill_(temperature)
        return temperature

    def figures(self, network: ActionNetwork) -> dict[str, Any]:
        """Return accuracy by action and its mean for each kind of source, and the calibration of the score."""
        found = [answer for kind in self.batches for answer in self._answers(network, kind)]
        logits, truth = np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
        kinds = self._by_kind(network)
        return {
            "macro_accuracy": round(float(np.mean([figures["macro_accuracy"] for figures in kinds.values()])), 4),
            "kinds": kinds,
            "calibration": calibration_figures(logits, truth, float(network.action_lstm.temperature)),
        }

    def _by_kind(self, network: ActionNetwork) -> dict[str, Mapping[str, Any]]:
        return {kind: _accuracy(network.vocabulary, list(self._answers(network, kind))) for kind in self.batches}

    @torch.no_grad()
    def _answers(self, network: ActionNetwork, kind: str) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Yield logits [n, actions] and truth [n] of last steps. The network's mode is kept."""
        training, device = network.training, network.part_mean.device
        network.eval()
        for batch in self.batches[kind]:
            target = batch.to(device)
            regions = unseen_regions(network, target.real.numel())
            logits = network(
                target.parts, target.context, target.present, target.dt, regions, target.real
            ).action_logits
            rows = torch.arange(len(target.last), device=device)
            truth = target.action[rows, target.last]
            yield _host(logits[rows, target.last].float(), truth)
        network.train(training)


def _host(logits: Tensor, truth: Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    known = truth >= 0
    return logits[known].cpu().numpy(), truth[known].cpu().numpy()


def _accuracy(
    vocabulary: Vocabulary, answers: list[tuple[NDArray[np.float32], NDArray[np.int64]]]
) -> Mapping[str, Any]:
    logits, truth = np.concatenate([a[0] for a in answers]), np.concatenate([a[1] for a in answers])
    right = logits.argmax(1) == truth
    shares = {
        name: round(float(right[truth == index].mean()), 3)
        for index, name in enumerate(vocabulary.actions)
        if (truth == index).any()
    }
    return {"macro_accuracy": round(float(np.mean(list(shares.values()))), 4), "accuracy": shares, "steps": len(truth)}
