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
from training.run.validation.scores import calibration_figures, fit_temperature
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors, unseen_regions
from training.synthetic.sequences.generator import Batch, Generator

Array = NDArray[np.float64]
_AT_ONCE = 100


def evaluate(
    network: ActionNetwork, motions: Path, sequences: int, *, seed: int, held_out: bool = True, window: int
) -> dict[str, Any]:
    """Return figures over about `sequences` sequences, equally many of each action.

    They are accuracy at the last step by action and its mean, the confusion matrix, accuracy by steps seen, average
    precision and F1 of each part state, relevance AUC, accuracy in difficult views, and the calibration of the action's
    score. The network may be on any device; its mode is kept.
    """
    vocabulary = network.vocabulary
    training = network.training
    truths, answers, certainty, hard, heights = [], [], [], [], []
    steps_right = np.zeros(window)
    steps_counted = np.zeros(window)
    states: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    relevance: list[tuple[NDArray[Any], NDArray[Any]]] = []
    scored: list[tuple[NDArray[Any], NDArray[Any]]] = []
    frame_right = frame_counted = 0
    for batch, target, outputs in _outputs(network, motions, sequences, seed, held_out, window):
        answer = outputs.action_logits.argmax(-1).numpy()
        truth = batch.action
        rows = np.arange(len(truth))
        last = batch.lengths - 1
        known = truth[rows, last] >= 0
        truths.append(truth[rows, last][known])
        answers.append(answer[rows, last][known])
        certainty.append(torch.softmax(outputs.action_logits, -1).max(-1).values.numpy()[rows, last][known])
        hard.append(batch.from_behind[known])
        heights.append(batch.stature[known])
        right = (answer == truth) & (truth >= 0)
        steps_right += right.sum(0)
        steps_counted += (truth >= 0).sum(0)
        frame_right += int(((outputs.frame_logits.argmax(-1).numpy() == truth) & (truth >= 0)).sum())
        frame_counted += int((truth >= 0).sum())
        real = target.real.numpy()
        scored.append(_some_steps(batch, target, outputs))
        # Every fifth step, because neighbouring steps give almost the same scores.
        real[:, np.arange(window) % 5 != 4] = False
        states.append(
            (torch.sigmoid(outputs.state_logits).numpy()[real], batch.states[real], target.present.numpy()[real])
        )
        some = real & batch.relevance_known.any(-1)
        shown = target.present.numpy()[some]
        relevance.append((outputs.relevance_logits.numpy()[some][shown], batch.relevance[some][shown]))
    network.train(training)
    truth, answer = np.concatenate(truths), np.concatenate(answers)
    sure = np.concatenate(certainty)
    confusion = np.zeros((len(vocabulary.actions), len(vocabulary.actions)), dtype=int)
    np.add.at(confusion, (truth, answer), 1)
    occurs = confusion.sum(1)
    recalls = {name: round(float(confusion[i, i] / max(1, occurs[i])), 3) for i, name in enumerate(vocabulary.actions)}
    right = truth == answer
    behind, height = np.concatenate(hard), np.concatenate(heights)
    ages = {"1": (0, 1), "2-4": (1, 4), "5-8": (4, 8), "9-16": (8, 16), "17-32": (16, 32), "33-64": (32, 64)}
    return {
        "sequences": len(truth),
        "macro_accuracy": round(float(np.mean((np.diag(confusion) / np.maximum(occurs, 1))[occurs > 0])), 3),
        "accuracy": recalls,
        "confusion": confusion.tolist(),
        "accuracy_by_steps_seen": {
            name: round(float(steps_right[a:b].sum() / max(1, steps_counted[a:b].sum())), 3)
            for name, (a, b) in ages.items()
            if a < window
        },
        "frame_accuracy": round(frame_right / max(1, frame_counted), 3),
        "accuracy_from_behind": _share(right, behind),
        "accuracy_from_front_or_side": _share(right, ~behind),
        "accuracy_below_100_px": _share(right, height < 100),
        "accuracy_from_200_px": _share(right, height >= 200),
        "accuracy_where_sure": {
            "at_least_0.8": _share(right, sure >= 0.8),
            "share": round(float((sure >= 0.8).mean()), 3),
        },
        "relevance_auc": round(
            area_under_curve(np.concatenate([r[0] for r in relevance]), np.concatenate([r[1] for r in relevance])), 3
        ),
        "states": state_figures(vocabulary, _stacked(states, 0), _stacked(states, 1), _stacked(states, 2)),
        "calibration": calibration_figures(
            _stacked(scored, 0), _stacked(scored, 1), float(network.action_lstm.temperature)
        ),
    }


def calibrate(network: ActionNetwork, motions: Path, sequences: int, *, seed: int, window: int) -> float:
    """Fit the temperature of the action's score on about `sequences` held-out sequences, set it and return it."""
    training = network.training
    network.action_lstm.temperature.fill_(1.0)
    found = [
        _some_steps(batch, target, outputs)
        for batch, target, outputs in _outputs(network, motions, sequences, seed, True, window)
    ]
    network.train(training)
    temperature = fit_temperature(np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found]))
    network.action_lstm.temperature.fill_(temperature)
    return temperature


@torch.no_grad()
def _outputs(
    network: ActionNetwork, motions: Path, sequences: int, seed: int, held_out: bool, window: int
) -> Iterator[tuple[Batch, Tensors, SequenceOutputs]]:
    """Yield equally many sequences of each action, and the network's outputs in evaluation mode, on the CPU."""
    generator = Generator(motions, network.vocabulary, seed, held_out=held_out, partial=True)
    device = network.part_mean.device
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


def _some_steps(batch: Batch, target: Tensors, outputs: SequenceOutputs) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return action logits [n, actions] and truth [n] of every fifth step with a known action."""
    steps = batch.action.shape[1]
    some = target.real.numpy() & (batch.action >= 0) & (np.arange(steps) % 5 == 4)
    return outputs.action_logits.numpy()[some], batch.action[some]


def _stacked(found: Sequence[tuple[NDArray[Any], ...]], column: int) -> NDArray[Any]:
    return np.concatenate([entry[column] for entry in found])


def _share(right: NDArray[np.bool_], where: NDArray[np.bool_]) -> float | None:
    return round(float(right[where].mean()), 3) if where.any() else None


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
