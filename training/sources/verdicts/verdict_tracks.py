"""Training sequences from clips with verdicts: each ends with a step of a person in the span of a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from stages.vocabulary import Vocabulary
from training.annotated_videos.folder_source import Cut, sequences
from training.sequences.source import SeededSource
from training.sequences.tensors import Tensors
from training.sources.examples.example_tracks import varied
from training.sources.tracks import Shown, cut_before, shown_steps
from training.sources.verdicts.verdict_clips import JudgedClip

Kind = tuple[str, bool]
"""An action, and whether it is the right one; otherwise it is the excluded one."""


class VerdictTracks(SeededSource):
    """Implements `training.sequences.source.Source` for clips that are not held out.

    Sampling: an action that is right or one that is excluded → clip → last step. All of the first are equally likely,
    and so are the clips. Sequences are varied as those of examples are.
    """

    def __init__(self, clips: Sequence[JudgedClip], vocabulary: Vocabulary, seed: int) -> None:
        """Raises ValueError if there is nothing to draw."""
        super().__init__(seed)
        self._shown = _by_kind([clip for clip in clips if not clip.held_out], vocabulary)
        if not self._shown:
            raise ValueError("no verdict to learn from is on an action of the vocabulary")

    def kinds(self) -> tuple[Kind, ...]:
        """Return what sequences end with: right actions in the vocabulary's order, then excluded ones."""
        return tuple(self._shown)

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, on the CPU."""
        return sequences([self.draw(window) for _ in range(count)], window)

    def draw(self, window: int) -> Cut:
        """Return a sequence of 1 to `window` steps after its lead."""
        kinds = list(self._shown)
        clips = self._shown[kinds[int(self.rng.integers(len(kinds)))]]
        cut = cut_before(clips[int(self.rng.integers(len(clips)))], window, self.rng)
        return cut._replace(clip=varied(cut.clip, self.rng))


def _by_kind(clips: Sequence[JudgedClip], vocabulary: Vocabulary) -> dict[Kind, list[Shown]]:
    found: dict[Kind, list[Shown]] = {(name, right): [] for right in (True, False) for name in vocabulary.actions}
    for one in clips:
        clip = dataclasses.replace(one.watched.clip(vocabulary), features=None)
        labels = clip.labels
        excluded = np.full_like(labels.action, -1) if labels.excluded is None else labels.excluded
        for right, of_step in ((True, labels.action), (False, excluded)):
            for action, shown in shown_steps(clip, of_step, vocabulary).items():
                found[action, right].append(shown)
    return {kind: shown for kind, shown in found.items() if shown}
