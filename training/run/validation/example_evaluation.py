"""How well a network recognises actions that it learned from examples, and what became of those that it knew."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork
from training.run.example_run import ExampleRun
from training.run.validation.clip_evaluation import answer_clips
from training.run.validation.known_actions import KnownActions, Shares, answer_shares
from training.sources.examples.example_clips import action_of


class ExampleEvaluation:
    """Figures from the held-out clips, and from sequences of the actions that the start knew."""

    def __init__(self, run: ExampleRun, known: KnownActions, *, window: int) -> None:
        """`known`: of the start's vocabulary."""
        self._run, self._known, self._window = run, known, window

    def figures(self, network: ActionNetwork) -> dict[str, Any]:
        """Return figures of the learned network.

        `actions`: of each action with examples, the numbers of clips; with held-out clips, `recall`, the share of their
        steps that are recognised, and `precision`, the share of right answers if every action were equally common.
        Without other actions to confuse it with, the latter is missing. `before` and `after`: mean accuracy over the
        actions of the start on generated sequences, of the start and of the learned network.
        """
        clips = self._run.clips
        shares = self._clip_answers(network)
        known, _ = self._known.answers(network)
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
        return {"actions": found, **self._known.change(self._run.start.network, network)}

    def _clip_answers(self, network: ActionNetwork) -> Shares:
        """Return for each action with held-out clips the share of their steps with each answer."""
        names = network.vocabulary.actions
        videos = [video for video in self._run.clips.videos if video.role == "test"]
        clips = [video.clip(network.vocabulary) for video in videos]
        found: dict[str, list[NDArray[np.int64]]] = {}
        for video, clip, answers in zip(videos, clips, answer_clips(network, clips, self._window), strict=True):
            found.setdefault(action_of(video), []).append(answers.logits.argmax(1)[clip.labels.action >= 0])
        return {action: answer_shares(np.concatenate(answers), names) for action, answers in found.items()}
