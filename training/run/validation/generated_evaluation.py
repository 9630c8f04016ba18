"""Evaluation on held-out generated data: motions, gestures, builds and cameras that training never sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork, SequenceOutputs
from stages.vocabulary import Vocabulary
from training.benchmark.ranking import area_under_curve, average_precision
from training.run.validation.scores import calibration_figures, set_temperature
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors, unseen_regions
from training.synthetic.sequences.generator import Batch, Generator

_AT_ONCE = 100


def evaluate(network: ActionNetwork, motions: Path, sequences: int, *, seed: int, window: int) -> dict[str, Any]:
    """Return figures over about `sequences` sequences, equally many of each action.

    They are accuracy at the last step by action and its mean, the confusion matrix, average precision and F1 of each
    part state, relevance AUC, and the calibration of the action's score. The network may be on any device; its mode is
    kept.
    """
    vocabulary = network.vocabulary
    confusion = np.zeros((len(vocabulary.actions), len(vocabulary.actions)), dtype=int)
    states: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    relevance: list[tuple[NDArray[Any], NDArray[Any]]] = []
    scored: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for batch, target, outputs in _outputs(network, motions, sequences, seed, window):
        rows, last = np.arange(len(batch.action)), batch.lengths - 1
        truth, answer = batch.action[rows, last], outputs.action_logits.argmax(-1).numpy()[rows, last]
        np.add.at(confusion, (truth[truth >= 0], answer[truth >= 0]), 1)
        scored.append(_some_steps(batch, target, outputs))
        # Every fifth step, because neighbouring steps give almost the same scores.
        real = target.real.numpy()
        real[:, np.arange(window) % 5 != 4] = False
        states.append(
            (torch.sigmoid(outputs.state_logits).numpy()[real], batch.states[real], target.present.numpy()[real])
        )
        some = real & batch.relevance_known.any(-1)
        shown = target.present.numpy()[some]
        relevance.append((outputs.relevance_logits.numpy()[some][shown], batch.relevance[some][shown]))
    occurs = confusion.sum(1)
    recalls = np.diag(confusion) / np.maximum(occurs, 1)
    return {
        "sequences": int(occurs.sum()),
        "macro_accuracy": round(float(np.mean(recalls[occurs > 0])), 3),
        "accuracy": {name: round(float(recall), 3) for name, recall in zip(vocabulary.actions, recalls, strict=True)},
        "confusion": confusion.tolist(),
        "relevance_auc": round(area_under_curve(_stacked(relevance, 0), _stacked(relevance, 1)), 3),
        "states": state_figures(vocabulary, _stacked(states, 0), _stacked(states, 1), _stacked(states, 2)),
        "calibration": calibration_figures(
            _stacked(scored, 0), _stacked(scored, 1), float(network.action_lstm.temperature)
        ),
    }


def calibrate(network: ActionNetwork, motions: Path, sequences: int, *, seed: int, window: int) -> None:
    """Fit the temperature of the action's score on about `sequences` held-out sequences, and set it."""

    def scored() -> tuple[NDArray[Any], NDArray[Any]]:
        found = [_some_steps(*answered) for answered in _outputs(network, motions, sequences, seed, window)]
        return _stacked(found, 0), _stacked(found, 1)

    set_temperature(network, scored)


@torch.no_grad()
def _outputs(
    network: ActionNetwork, motions: Path, sequences: int, seed: int, window: int
) -> Iterator[tuple[Batch, Tensors, SequenceOutputs]]:
    """Yield equally many sequences of each action, and the network's outputs in evaluation mode, on the CPU.

    The network's mode is kept.
    """
    generator = Generator(motions, network.vocabulary, seed, held_out=True, partial=True)
    device, training = network.part_mean.device, network.training
    network.eval()
    for action in generator.actions:
        left = max(1, sequences // len(generator.actions))
        while left > 0:
            batch = generator.batch(min(left, _AT_ONCE), window, action=action)
            left -= len(batch.lengths)
            target = to_tensors(batch)
            there = target.to(device)
            regions = unseen_regions(network, there.real.numel())
            outputs = network(there.parts, there.context, there.present, there.dt, regions)
            yield batch, target, SequenceOutputs(*(tensor.cpu() for tensor in outputs))
    network.train(training)


def _some_steps(batch: Batch, target: Tensors, outputs: SequenceOutputs) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return action logits [n, actions] and truth [n] of every fifth step with a known action."""
    steps = batch.action.shape[1]
    some = target.real.numpy() & (batch.action >= 0) & (np.arange(steps) % 5 == 4)
    return outputs.action_logits.numpy()[some], batch.action[some]


def _stacked(found: Sequence[tuple[NDArray[Any], ...]], column: int) -> NDArray[Any]:
    return np.concatenate([entry[column] for entry in found])


def state_figures(
    vocabulary: Vocabulary, scores: NDArray[Any], truth: NDArray[Any], known: NDArray[Any]
) -> dict[str, Any]:
    """Return average precision, F1 at 0.5 and share of each part state, and the mean average precision.

    `scores` and `truth` [n, parts, states]; `known` [n, parts]: whether the part was seen and its states are known.
    """
    out: dict[str, Any] = {}
    for part, state in vocabulary.pairs():
        row, column = vocabulary.part_index(part), vocabulary.state_index(state.label)
        shown = known[:, row]
        score, label = scores[shown, row, column], truth[shown, row, column]
        called = score >= 0.5
        both = int((called & label).sum())
        out[f"{part} {state.label}"] = {
            "ap": None if not label.any() else round(average_precision(score, label), 3),
            "f1": None if not label.any() else round(2 * both / max(1, int(called.sum() + label.sum())), 3),
            "share": round(float(label.mean()), 4) if len(label) else 0.0,
        }
    precisions = [entry["ap"] for entry in out.values() if entry["ap"] is not None]
    return {"mean_ap": round(float(np.mean(precisions)), 3) if precisions else None, "pairs": out}
