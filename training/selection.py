"""Which weights of a run to keep: the best on held-out data by macro accuracy; and when to stop looking for better.

A `Selection` owns its held-out sequences, made once, and the best weights so far. It draws from a generator of its own:
evaluating changes no number of the training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages.network import ActionNetwork
from stages.vocabulary import Vocabulary
from training.dataset import Generator
from training.movement import ACTIONS
from training.run_config import EvaluationConfig
from training.tensors import Tensors, to_tensors


class Selection:
    """The best weights so far, by evaluations every so many steps."""

    def __init__(
        self,
        config: EvaluationConfig,
        window: int,
        motions: Path,
        vocabulary: Vocabulary,
        seed: int,
        device: torch.device,
    ) -> None:
        generator = Generator(motions, vocabulary, seed, held_out=True)
        each = max(1, config.selection_sequences // len(ACTIONS))
        self._data: list[Tensors] = [
            to_tensors(generator.batch(each, window, action=action)).to(device) for action in ACTIONS
        ]
        self._patience = config.patience
        self._since_best = 0
        self.accuracy: float | None = None
        """Of the best weights."""
        self.step = 0
        """Of the best weights."""
        self._weights: dict[str, Tensor] = {}

    def judge(self, network: ActionNetwork, step: int) -> float:
        """Macro accuracy at the last step of each sequence; remembers the weights if they are the best so far."""
        accuracy = macro_accuracy(network, self._data)
        if self.accuracy is None or accuracy > self.accuracy:
            self.accuracy, self.step, self._since_best = accuracy, step, 0
            self._weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        else:
            self._since_best += 1
        return accuracy

    @property
    def exhausted(self) -> bool:
        """Whether the last `patience` evaluations were no better than the best before them."""
        return 0 < self._patience <= self._since_best

    def load_best(self, network: ActionNetwork) -> None:
        """Put the best weights into the network, if there was an evaluation."""
        if self._weights:
            network.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """For the file of a run that may be resumed."""
        return {
            "accuracy": self.accuracy,
            "step": self.step,
            "since_best": self._since_best,
            "weights": self._weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.accuracy, self.step = state["accuracy"], state["step"]
        self._since_best, self._weights = state["since_best"], state["weights"]


@torch.no_grad()
def macro_accuracy(network: ActionNetwork, data: list[Tensors]) -> float:
    """Mean over actions of the share of sequences whose last step is answered right. The network's mode is kept."""
    training = network.training
    network.eval()
    actions = len(network.vocabulary.actions)
    right, count = torch.zeros(actions), torch.zeros(actions)
    for target in data:
        logits = network(target.parts, target.context, target.present, target.dt).action_logits
        rows = torch.arange(len(target.last), device=target.last.device)
        truth = target.action[rows, target.last]
        known = truth >= 0
        hit = (logits[rows, target.last].argmax(-1) == truth)[known].float().cpu()
        right.index_add_(0, truth[known].cpu(), hit)
        count.index_add_(0, truth[known].cpu(), torch.ones_like(hit))
    network.train(training)
    seen = count > 0
    return float((right[seen] / count[seen]).mean())
