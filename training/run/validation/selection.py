"""Selecting a run's best weights by a metric on held-out data, and early stopping.

The metric draws from its own generator, so that evaluations do not change the training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from stages.heads.network import ActionNetwork
from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip
from training.run.validation.clip_evaluation import answer_clips, benchmark_figures, step_accuracy
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors, last_answers
from training.synthetic.sequences.generator import Generator

Metric = Callable[[ActionNetwork], float]
"""Returns a figure from 0 to 1 on held-out data. The network's mode is kept."""


class Selection:
    """The best weights so far."""

    def __init__(self, metric: Metric, patience: int) -> None:
        """`patience`: evaluations without an improvement after which it is `exhausted`; 0: never."""
        self._metric = metric
        self._patience = patience
        self._since_best = 0
        self.accuracy: float | None = None
        """The metric of the best weights."""
        self.step = 0
        """The step of the best weights."""
        self._weights: dict[str, Tensor] = {}

    def evaluate(self, network: ActionNetwork, step: int) -> float:
        """Return the metric, and keep the weights if they are the best so far."""
        accuracy = self._metric(network)
        if self.accuracy is None or accuracy > self.accuracy:
            self.accuracy, self.step, self._since_best = accuracy, step, 0
            self._weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        else:
            self._since_best += 1
        return accuracy

    @property
    def exhausted(self) -> bool:
        """Whether the last `patience` evaluations brought no improvement."""
        return 0 < self._patience <= self._since_best

    def load_best(self, network: ActionNetwork) -> None:
        """Load the best weights into the network, if there was an evaluation."""
        if self._weights:
            network.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        return {
            "accuracy": self.accuracy,
            "step": self.step,
            "since_best": self._since_best,
            "weights": self._weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        self.accuracy, self.step = state["accuracy"], state["step"]
        self._since_best, self._weights = state["since_best"], state["weights"]


def generated_metric(
    motions: Path, vocabulary: Vocabulary, sequences: int, window: int, seed: int, device: torch.device
) -> Metric:
    """Return the macro accuracy at the last step of about `sequences` held-out sequences, equally many per action."""
    generator = Generator(motions, vocabulary, seed, held_out=True, partial=True)
    each = max(1, sequences // len(generator.actions))
    data = [to_tensors(generator.batch(each, window, action=action)).to(device) for action in generator.actions]
    return lambda network: macro_accuracy(network, data)


def clip_metric(clips: Sequence[Clip], window: int, figure: Literal["accuracy", "area"]) -> Metric:
    """Return a metric on held-out videos: the actions' mean share of correct steps, or the benchmark's area.

    It is 0 if the videos have no steps or no annotated people to measure it on.
    """

    def metric(network: ActionNetwork) -> float:
        answers = answer_clips(network, clips, window)
        if figure == "area":
            return benchmark_figures(network, clips, answers)["area"] or 0.0
        return step_accuracy(network, clips, answers)["macro_accuracy"] or 0.0

    return metric


def macro_accuracy(network: ActionNetwork, data: list[Tensors]) -> float:
    """Return the actions' mean share of sequences with a correct last step. The network's mode is kept."""
    actions = len(network.vocabulary.actions)
    right, count = torch.zeros(actions), torch.zeros(actions)
    for target in data:
        logits, truth = last_answers(network, target)
        known = truth >= 0
        hit = (logits.argmax(-1) == truth)[known].float().cpu()
        right.index_add_(0, truth[known].cpu(), hit)
        count.index_add_(0, truth[known].cpu(), torch.ones_like(hit))
    seen = count > 0
    return float((right[seen] / count[seen]).mean())
