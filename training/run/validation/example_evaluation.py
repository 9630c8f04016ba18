"""How well a network recognises actions that it learned from examples, and what became of those that it knew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork
from training.run.example_run import ExampleRun
from training.run.validation.clip_evaluation import answer_clips
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors
from training.sources.examples.example_clips import action_of
from training.synthetic.sequences.generator import Generator

_AT_ONCE = 96


class ExampleEvaluation:
    """Figures from the held-out clips, and from generated sequences of the actions that the start knew."""

    def __init__(self, run: ExampleRun, motions: Path, sequences: int, *, window: int, seed: int) -> None:
        """`sequences`: generated ones, 0 for none; equally many end with each action of the start."""
        self._run, self._motions, self._sequences = run, motions, sequences
        self._window, self._seed = window, seed

    def figures(self, network: ActionNetwork) -> dict[str, Any]:
        """Return figures of the learned network.

        `actions`: of each action with examples, the numbers of clips; with held-out clips, `recall`, the share of their
        steps that are recognised, and `precision`, the share of right answers if every action were equally common.
        Without other actions to confuse it with, the latter is missing. `before` and `after`: mean accuracy over the
        actions of the start on generated sequences, of the start and of the learned network.
        """
        clips = self._run.clips
        shares = self._clip_answers(network)
        sequences = list(self._generated())
        known, after = self._generated_answers(network, sequences)
        found: dict[str, Any] = {}
        for action in clips.actions:
            learned, held_out = clips.count(action, "train"), clips.count(action, "test")
            found[action] = {"new": action in self._run.new, "learned": learned, "held_out": held_out}
            if action in shares:
                others = known | shares
                wrong = [answers.get(action, 0.0) for other, answers in others.items() if other != action]
                recall = shares[action].get(action, 0.0)
                found[action]["recall"] = round(recall, 4)
                if wrong:
                    total = recall + sum(wrong)
                    found[action]["precision"] = round(recall / total, 4) if total else 0.0
        made: dict[str, Any] = {"actions": found}
        if known:
            _, before = self._generated_answers(self._run.start.network, sequences)
            made |= {"before": round(before, 4), "after": round(after, 4)}
        return made

    def _clip_answers(self, network: ActionNetwork) -> dict[str, Mapping[str, float]]:
        """Return for each action with held-out clips the share of their steps with each answer."""
        names = network.vocabulary.actions
        videos = [video for video in self._run.clips.videos if video.role == "test"]
        clips = [video.clip(network.vocabulary) for video in videos]
        found: dict[str, list[NDArray[np.int64]]] = {}
        for video, clip, answers in zip(videos, clips, answer_clips(network, clips, self._window), strict=True):
            found.setdefault(action_of(video), []).append(answers.logits.argmax(1)[clip.labels.action >= 0])
        return {action: _shares(np.concatenate(answers), names) for action, answers in found.items()}

    def _generated(self) -> Iterator[Tensors]:
        """Yield sequences of held-out people and motions that end with each action of the start in turn."""
        if not self._sequences:
            return
        known = self._run.start.network.vocabulary
        generator = Generator(self._motions, known, self._seed, held_out=True, partial=True)
        ends = [generator.actions[number % len(generator.actions)] for number in range(self._sequences)]
        for first in range(0, len(ends), _AT_ONCE):
            some = ends[first : first + _AT_ONCE]
            yield to_tensors(generator.batch(len(some), self._window, action=some))

    @torch.no_grad()
    def _generated_answers(
        self, network: ActionNetwork, sequences: Sequence[Tensors]
    ) -> tuple[dict[str, Mapping[str, float]], float]:
        """Return for each action of the start the share of its last steps with each answer, and the mean of the shares
        of right ones."""
        if not sequences:
            return {}, 0.0
        training, names = network.training, network.vocabulary.actions
        network.eval()
        truth: list[NDArray[np.int64]] = []
        answer: list[NDArray[np.int64]] = []
        for batch in sequences:
            target = batch.to(network.part_mean.device)
            read = network(target.parts, target.context, target.present, target.dt)
            rows = torch.arange(len(target.last), device=target.last.device)
            truth.append(target.action[rows, target.last].cpu().numpy())
            answer.append(read.action_logits[rows, target.last].argmax(-1).cpu().numpy())
        network.train(training)
        right, given = np.concatenate(truth), np.concatenate(answer)
        shares = {
            names[index]: _shares(given[right == index], names) for index in np.unique(right[right >= 0]).tolist()
        }
        return shares, float(np.mean([answers.get(action, 0.0) for action, answers in shares.items()]))


def _shares(answers: NDArray[np.int64], names: Sequence[str]) -> Mapping[str, float]:
    counts = np.bincount(answers, minlength=len(names)) / len(answers)
    return {name: float(share) for name, share in zip(names, counts, strict=True) if share}
