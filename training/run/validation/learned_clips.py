"""How a network that learned from clips answers the held-out ones, and what became of the actions that it knew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork
from stages.vocabulary import Vocabulary
from training.run.clip_run import ExampleRun, VerdictRun
from training.run.validation.clip_evaluation import answer_clips
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors, last_answers
from training.sources.examples.example_clips import action_of
from training.synthetic.sequences.generator import Generator

_AT_ONCE = 96

Shares = dict[str, Mapping[str, float]]
"""For each true action, the share of each answer."""


class KnownActions:
    """Sequences of held-out people and motions that end with each action of a vocabulary in turn."""

    def __init__(self, known: Vocabulary, motions: Path, sequences: int, *, window: int, seed: int) -> None:
        """`sequences`: 0 for none."""
        self._sequences = list(_generated(known, motions, sequences, window, seed)) if sequences else []

    def answers(self, network: ActionNetwork) -> tuple[Shares, float]:
        """Return for each action the share of its last steps with each answer, and the mean of the shares of right
        ones; nothing and 0 without sequences."""
        if not self._sequences:
            return {}, 0.0
        names = network.vocabulary.actions
        each = [last_answers(network, batch) for batch in self._sequences]
        given = torch.cat([logits.argmax(-1) for logits, _ in each]).cpu().numpy()
        right = torch.cat([truth for _, truth in each]).cpu().numpy()
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


def example_figures(run: ExampleRun, known: KnownActions, network: ActionNetwork, window: int) -> dict[str, Any]:
    """Return figures of the learned network; `known`: actions of the start's vocabulary.

    `actions`: of each action with examples, the numbers of clips; with held-out clips, `recall`, the share of their
    steps that are recognised, and `precision`, the share of right answers if every action were equally common.
    Without other actions to confuse it with, the latter is missing. `before` and `after`: mean accuracy over the
    actions of the start on generated sequences, of the start and of the learned network.
    """
    clips = run.clips
    shares = _clip_answers(run, network, window)
    before, _ = known.answers(network)
    found: dict[str, Any] = {}
    for action in clips.actions:
        learned, held_out = clips.count(action, "train"), clips.count(action, "test")
        found[action] = {"new": action in run.new, "learned": learned, "held_out": held_out}
        if action in shares:
            others = before | shares
            wrong = [answers.get(action, 0.0) for other, answers in others.items() if other != action]
            recall = shares[action].get(action, 0.0)
            found[action]["recall"] = round(recall, 4)
            if wrong:
                total = recall + sum(wrong)
                found[action]["precision"] = round(recall / total, 4) if total else 0.0
    return {"actions": found, **known.change(run.start.network, network)}


def _clip_answers(run: ExampleRun, network: ActionNetwork, window: int) -> Shares:
    """Return for each action with held-out clips the share of their steps with each answer."""
    names = network.vocabulary.actions
    videos = [video for video in run.clips.videos if video.role == "test"]
    clips = [video.clip(network.vocabulary) for video in videos]
    found: dict[str, list[NDArray[np.int64]]] = {}
    for video, clip, answers in zip(videos, clips, answer_clips(network, clips, window), strict=True):
        found.setdefault(action_of(video), []).append(answers.logits.argmax(1)[clip.labels.action >= 0])
    return {action: answer_shares(np.concatenate(answers), names) for action, answers in found.items()}


_Steps = dict[tuple[str, str], list[NDArray[np.bool_]]]
"""By figure and said action: for each verdict, which of its steps have an answer, bool [steps]."""


def verdict_figures(run: VerdictRun, known: KnownActions, network: ActionNetwork, window: int) -> dict[str, Any]:
    """Return figures of the learned network; `known`: actions of the start's vocabulary.

    `actions`: of each action that was said, the numbers of verdicts that were learned and held out, and two pairs
    of shares of the held-out verdicts' steps, of the start and of the learned network: `found`, steps of which the
    true action is known that have it as their answer; `false`, steps on which the action was said wrongly that have
    it nevertheless. `before` and `after`: mean accuracy over the actions of the start on generated sequences.
    """
    start, clips = run.start.network, run.clips
    before, after = (_answered(run, one, window) for one in (start, network))
    learned, held_out = clips.counts(held_out=False), clips.counts(held_out=True)
    found: dict[str, Any] = {}
    for said in sorted({*learned, *held_out}):
        found[said] = {"learned": learned.get(said, {}), "held_out": held_out.get(said, {})}
        for figure in ("found", "false"):
            if (figure, said) in after:
                pair = (before[figure, said], after[figure, said])
                found[said][figure] = [round(float(np.concatenate(steps).mean()), 4) for steps in pair]
    return {"actions": found, **known.change(start, network)}


def _answered(run: VerdictRun, network: ActionNetwork, window: int) -> _Steps:
    names = network.vocabulary.actions
    judged = [clip for clip in run.clips.clips if clip.held_out]
    clips = [clip.watched.clip(network.vocabulary) for clip in judged]
    found: _Steps = {}
    for clip, answers in zip(judged, answer_clips(network, clips, window), strict=True):
        answer = np.array(names)[answers.logits.argmax(1)]
        for one in clip.judged:
            own = answer[clip.inside(one)[clip.watched.seen.step]]
            verdict = one.verdict
            if verdict.truth is not None:
                found.setdefault(("found", verdict.said), []).append(own == verdict.truth)
            if verdict.truth != verdict.said:
                found.setdefault(("false", verdict.said), []).append(own == verdict.said)
    return found
