"""Who judges a checkpoint that learned from examples: recorded people who are in none of its clips.

Answers are those at the last step of a sequence, or at every fifth step of a labelled video. Every person counts alike
in an action's recall, and every kind of source in the share of answers that an old action gets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork
from training.kinetics_tps.video_roles import Role
from training.run.validation.clip_evaluation import answer_clips
from training.scoring.sequence_sets import FrozenSequences, SequenceSet, drawn_sequences, scored_vocabulary
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors
from training.sources.motion_clips import MOTION, POSES
from training.sources.roles import unit_of
from training.sources.watched_videos import WatchedVideo
from training.synthetic.sequences.generator import Generator

CAPTURES = ("bandai_namco", "msr_action3d", "reactidle", "ui_prmd", "utkinect")
PLANAR = ("jhmdb", "penn_action")
_FEW = {CAPTURES: 8, PLANAR: 2}
"""Sequences of each person, or clip of an unknown person, and action."""
_EVERY = 5
_LEAST_STEPS = 5
GENERATED = "generated"


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of one kind of source: `truth`, `unit` (the person) and `answer`, str [n] each."""

    kind: str
    truth: NDArray[np.str_]
    unit: NDArray[np.str_]
    answer: NDArray[np.str_]

    def without(self, people: Collection[str]) -> Answers:
        """Return the answers without those of some people."""
        other = ~np.isin(self.unit, sorted(people))
        return Answers(self.kind, self.truth[other], self.unit[other], self.answer[other])


@dataclass(frozen=True, slots=True)
class _Sequences:
    kind: str
    truth: list[str] = field(default_factory=list[str])
    unit: list[str] = field(default_factory=list[str])
    batches: list[Tensors] = field(default_factory=list[Tensors])
    judged: list[NDArray[np.bool_]] = field(default_factory=list[NDArray[np.bool_]])


class Judges:
    """Sequences and videos of people, drawn once, so that all checkpoints answer the same."""

    def __init__(
        self,
        data: Path,
        roles: Sequence[Role],
        videos: Sequence[WatchedVideo],
        *,
        actions: Sequence[str],
        seed: int,
        window: int,
        planar: Sequence[Role] | None = None,
    ) -> None:
        """`roles`: of the captured people; `planar`: of the 2-D clips, by default the same, of which Penn Action has
        none of the role `test`; `videos`: those that judge; `actions`: what they do."""
        self._window = window
        self._videos = list(videos)
        self._actions = tuple(actions)
        self._sets = [
            self._drawn(data, kind, role, sources, seed)
            for kind, sources, of in ((MOTION, CAPTURES, roles), (POSES, PLANAR, planar or roles))
            for role in of
        ]

    def add_generated(self, motions: Path, each: int, seed: int) -> None:
        """Add generated sequences of held-out people, `each` of every action."""
        vocabulary = scored_vocabulary()
        generator = Generator(motions, vocabulary, seed, held_out=True)
        made = _Sequences(GENERATED)
        for action in self._actions:
            batch = to_tensors(generator.batch(each, self._window, action=action))
            truth = [vocabulary.actions[index] for index in batch.action[torch.arange(each), batch.last].tolist()]
            judged = np.array([name == action for name in truth])
            self._add(made, batch, judged, truth, [f"generated {number}" for number in range(each)])
        self._sets.append(made)

    @torch.no_grad()
    def ask(self, network: ActionNetwork) -> list[Answers]:
        """Return the answers of a network, by kind of source."""
        network.eval()
        names = np.array(network.vocabulary.actions)
        found: list[Answers] = []
        for one in self._sets:
            given: list[NDArray[np.str_]] = []
            for batch, judged in zip(one.batches, one.judged, strict=True):
                read = network(batch.parts, batch.context, batch.present, batch.dt, real=batch.real)
                logits = read.action_logits[torch.arange(len(batch.last)), batch.last]
                given.append(names[logits.argmax(-1).numpy()][judged])
            if given:
                found.append(Answers(one.kind, np.array(one.truth), np.array(one.unit), np.concatenate(given)))
        return [*found, *self._of_videos(network)]

    def _of_videos(self, network: ActionNetwork) -> Iterator[Answers]:
        """Yield the answers at every fifth labelled step of the videos."""
        vocabulary = scored_vocabulary()
        clips = [video.clip(vocabulary) for video in self._videos]
        truth: list[str] = []
        unit: list[str] = []
        given: list[str] = []
        for video, clip, answers in zip(self._videos, clips, answer_clips(network, clips, self._window), strict=True):
            some = np.flatnonzero((clip.labels.action >= 0) & (np.arange(len(clip.rows)) % _EVERY == _EVERY - 1))
            names = [vocabulary.actions[index] for index in clip.labels.action[some].tolist()]
            kept = [name in self._actions for name in names]
            truth += [name for name, keep in zip(names, kept, strict=True) if keep]
            unit += [f"{video.video.source} {unit_of(video.video)}"] * sum(kept)
            best = answers.logits[some].argmax(1)[kept].tolist()
            given += [network.vocabulary.actions[index] for index in best]
        if truth:
            yield Answers("videos", np.array(truth), np.array(unit), np.array(given))

    def _drawn(self, data: Path, kind: str, role: Role, sources: tuple[str, ...], seed: int) -> _Sequences:
        frozen = FrozenSequences(1, seed, self._window, _LEAST_STEPS, _FEW[sources], sources, sources, ())
        names = scored_vocabulary().actions
        made = _Sequences("captures" if kind == MOTION else "2-D sequences")
        for listed, sequences in drawn_sequences(data, SequenceSet(kind, kind, role), frozen, self._actions):
            last = sequences.lengths - 1
            target = sequences.action[np.arange(len(last)), last]
            truth = [drawn.action for _, drawn in listed]
            # The target of detections that do not show the action is `other`; at rest there is none.
            shown = target == np.array([names.index(action) for action in truth])
            judged = shown & (sequences.lengths >= _LEAST_STEPS)
            if judged.any():
                self._add(made, to_tensors(sequences), judged, truth, [unit for unit, _ in listed])
        return made

    def _add(
        self, made: _Sequences, batch: Tensors, judged: NDArray[np.bool_], truth: Sequence[str], unit: Sequence[str]
    ) -> None:
        made.batches.append(batch)
        made.judged.append(judged)
        made.truth.extend(np.array(truth)[judged].tolist())
        made.unit.extend(np.array(unit)[judged].tolist())


def shares(answers: Sequence[Answers], of: str, answer: str) -> dict[str, float]:
    """Return by kind of source the share of an action's answers that are `answer`; every person counts alike."""
    found: dict[str, list[float]] = {}
    for one in answers:
        for person in np.unique(one.unit[one.truth == of]).tolist():
            own = (one.truth == of) & (one.unit == person)
            found.setdefault(one.kind, []).append(float((one.answer[own] == answer).mean()))
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def mean_share(answers: Sequence[Answers], of: str, answer: str) -> float | None:
    """Return the mean of `shares` over the kinds; of generated sequences only if there are no others."""
    found = shares(answers, of, answer)
    recorded = [share for kind, share in found.items() if kind != GENERATED]
    values = recorded or list(found.values())
    return float(np.mean(values)) if values else None


def only_generated(answers: Sequence[Answers]) -> list[Answers]:
    """Return the answers of generated sequences."""
    return [one for one in answers if one.kind == GENERATED]
