"""What a network that learned from verdicts says in the clips that were held out, and what became of its actions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork
from training.run.validation.clip_evaluation import answer_clips
from training.run.validation.known_actions import KnownActions
from training.run.verdict_run import VerdictRun

_Steps = dict[tuple[str, str], list[NDArray[np.bool_]]]
"""By figure and said action: for each verdict, which of its steps have an answer, bool [steps]."""


class VerdictEvaluation:
    """Figures from the held-out clips, and from sequences of the actions that the start knew."""

    def __init__(self, run: VerdictRun, known: KnownActions, *, window: int) -> None:
        """`known`: of the start's vocabulary."""
        self._run, self._known, self._window = run, known, window

    def figures(self, network: ActionNetwork) -> dict[str, Any]:
        """Return figures of the learned network.

        `actions`: of each action that was said, the numbers of verdicts that were learned and held out, and two pairs
        of shares of the held-out verdicts' steps, of the start and of the learned network: `found`, steps of which the
        true action is known that have it as their answer; `false`, steps on which the action was said wrongly that have
        it nevertheless. `before` and `after`: mean accuracy over the actions of the start on generated sequences.
        """
        start, clips = self._run.start.network, self._run.clips
        before, after = self._answered(start), self._answered(network)
        learned, held_out = clips.counts(held_out=False), clips.counts(held_out=True)
        found: dict[str, Any] = {}
        for said in sorted({*learned, *held_out}):
            found[said] = {"learned": learned.get(said, {}), "held_out": held_out.get(said, {})}
            for figure in ("found", "false"):
                if (figure, said) in after:
                    pair = (before[figure, said], after[figure, said])
                    found[said][figure] = [round(float(np.concatenate(steps).mean()), 4) for steps in pair]
        return {"actions": found, **self._known.change(start, network)}

    def _answered(self, network: ActionNetwork) -> _Steps:
        names = network.vocabulary.actions
        judged = [clip for clip in self._run.clips.clips if clip.held_out]
        clips = [clip.watched.clip(network.vocabulary) for clip in judged]
        found: _Steps = {}
        for clip, answers in zip(judged, answer_clips(network, clips, self._window), strict=True):
            answer = np.array(names)[answers.logits.argmax(1)]
            for one in clip.judged:
                own = answer[clip.inside(one)[clip.watched.seen.step]]
                verdict = one.verdict
                if verdict.truth is not None:
                    found.setdefault(("found", verdict.said), []).append(own == verdict.truth)
                if verdict.truth != verdict.said:
                    found.setdefault(("false", verdict.said), []).append(own == verdict.said)
        return found
