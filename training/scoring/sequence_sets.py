"""Recorded motion that is scored as sequences: captures seen through cameras, and annotated 2-D sequences.

What is scored is frozen in `training/held_out/captures-1.json`: seed, window, sources and number of sequences. Cameras,
times and simulated errors are drawn by the code that training draws them with, so that a change there changes the
sequences: figures are comparable if their `digest` is equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from stages.checkpoint import Checkpoint
from stages.vocabulary import packaged
from training.footage.judging import Judged
from training.footage.labels import OTHER
from training.kinetics_tps.video_roles import Role
from training.scoring.figures import FrameFigures, SequenceFigures
from training.scoring.film_sets import ScoringError
from training.scoring.films import SCORED_ACTIONS
from training.sequences import Sequences, to_tensors, unseen_regions
from training.sources.captured.bodies import Bodies, filled
from training.sources.captures import Captures
from training.sources.motion_clips import MOTION, POSES, MotionClips, read_clips
from training.sources.poses import Poses
from training.sources.roles import roles, units
from training.sources.sampling import ClipSampler, Drawn

FROZEN = Path(__file__).parents[1] / "held_out" / "captures-1.json"
_AT_ONCE = 64
"""Sequences that are drawn and answered together; a part of what is frozen, because random numbers are shared."""


class FrozenSequences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is scored. `least_steps`: shorter sequences do not count at their last step."""

    version: int
    seed: int
    window: int
    least_steps: int
    per_unit_and_action: int
    captures: tuple[str, ...]
    poses: tuple[str, ...]
    macro: tuple[str, ...]


class SequenceSet(NamedTuple):
    """Clips of a kind (`MOTION` or `POSES`) and role; None: all clips, for checkpoints that learned from none."""

    name: str
    kind: str
    role: Role | None


CHOOSING = (
    SequenceSet("captures-validation", MOTION, "validation"),
    SequenceSet("jhmdb-validation", POSES, "validation"),
)
JUDGING = (
    SequenceSet("captures", MOTION, "test"),
    SequenceSet("captures-all", MOTION, None),
    SequenceSet("jhmdb", POSES, "test"),
)


def frozen_sequences() -> FrozenSequences:
    """Return what is scored."""
    return msgspec.json.decode(FROZEN.read_bytes(), type=FrozenSequences)


def sequence_set(data: Path, name: str, frozen: FrozenSequences | None = None) -> SequenceSet | None:
    """Return the set of this name; None if there is none in the data folder."""
    frozen = frozen or frozen_sequences()
    found = next((one for one in (*CHOOSING, *JUDGING) if one.name == name), None)
    if found is None:
        return None
    sources = frozen.captures if found.kind == MOTION else frozen.poses
    return found if any((data / found.kind / f"{source}.npz").is_file() for source in sources) else None


@torch.no_grad()
def score_sequences(
    checkpoint: Checkpoint, data: Path, chosen: SequenceSet, frozen: FrozenSequences | None = None
) -> SequenceFigures:
    """Return the figures of a set. The network's RoI features are unknown, as in training on motion without pictures.

    Raises `DataFolderError` for a file that cannot be used, and `ScoringError` for a set without clips, or a network
    that reads no keypoints.
    """
    frozen = frozen or frozen_sequences()
    network = checkpoint.network
    if not network.config.reads_geometry:
        raise ScoringError(f"{chosen.name}: has keypoints only, which this checkpoint's network does not read")
    names, device = checkpoint.vocabulary.actions, network.part_mean.device
    digest = hashlib.sha256()
    last: list[Judged] = []
    every: list[Judged] = []
    count = unreadable = 0
    for listed, sequences in drawn_sequences(data, chosen, frozen):
        for array in (sequences.keypoints, sequences.times_us, sequences.lengths, sequences.action):
            digest.update(array.tobytes())
        there = to_tensors(sequences).to(device)
        outputs = network(
            there.parts, there.context, there.present, there.dt, unseen_regions(network, there.real.numel())
        )
        shares = torch.softmax(outputs.action_logits.float(), -1).cpu().numpy()
        for row, (unit, drawn) in enumerate(listed):
            steps, hidden = _judged_steps(unit, drawn, sequences, row, shares[row], names)
            every += steps.values()
            unreadable += hidden
            at = int(sequences.lengths[row]) - 1
            if at in steps and at + 1 >= frozen.least_steps:
                last.append(steps[at])
        count += len(listed)
    if not count:
        raise ScoringError(f"{data / chosen.kind}: no clip belongs to the set {chosen.name}")
    return SequenceFigures(
        FrameFigures(chosen.name, tuple(last), frozen.macro),
        FrameFigures(chosen.name, tuple(every), frozen.macro),
        count,
        unreadable,
        digest.hexdigest()[:16],
    )


def drawn_sequences(
    data: Path, chosen: SequenceSet, frozen: FrozenSequences
) -> Iterator[tuple[list[tuple[str, Drawn]], Sequences]]:
    """Yield a set's sequences in batches, with the unit and the clip of each. Raises `DataFolderError`."""
    vocabulary = replace(packaged("edge"), actions=SCORED_ACTIONS)  # with today's parts and states
    clips = read_clips(data, chosen.kind, frozen.captures if chosen.kind == MOTION else frozen.poses)
    rng = np.random.default_rng(frozen.seed)
    usable = {one.source: _usable(one, chosen.kind) for one in clips}
    listed = list(listed_clips(clips, usable, SCORED_ACTIONS, chosen.role, frozen.per_unit_and_action, rng))
    if not listed:
        return
    used = [one for one in clips if any(drawn.clips is one for _, drawn in listed)]
    kind = Captures if chosen.kind == MOTION else Poses
    source = kind(used, vocabulary, frozen.seed, role=chosen.role or "train")
    for start in range(0, len(listed), _AT_ONCE):
        some = listed[start : start + _AT_ONCE]
        source.sampler = ListedClips([drawn for _, drawn in some])
        yield some, source.sequences(len(some), frozen.window)


def _usable(clips: MotionClips, kind: str) -> NDArray[np.bool_]:
    """Return the frames [F] that show a body."""
    if kind != MOTION:
        return np.ones(len(clips.points), bool)
    bodies = Bodies(clips)
    return np.concatenate(
        [
            ~filled(bodies.frames(clip, np.arange(clips.start[clip + 1] - clips.start[clip], dtype=np.float64)))[2]
            for clip in range(len(clips))
        ]
    )


def _judged_steps(
    unit: str, drawn: Drawn, sequences: Sequences, row: int, shares: NDArray[np.floating[Any]], names: Sequence[str]
) -> tuple[dict[int, Judged], int]:
    """Return the labelled steps of one sequence by number, and how many do not show the action.

    The target of such a step is `other`, which a clip without frames of `other` does not show.
    """
    clips = drawn.clips
    shown = {clips.actions[index] for index in np.unique(clips.action[clips.frames(drawn.clip)]) if index >= 0}
    found: dict[int, Judged] = {}
    hidden = 0
    for step in range(int(sequences.lengths[row])):
        target = int(sequences.action[row, step])
        if target < 0:
            continue
        truth = SCORED_ACTIONS[target]
        if truth == OTHER and OTHER not in shown:
            hidden += 1
            continue
        best = int(shares[step].argmax())
        name = f"{clips.source} {drawn.clip}"
        found[step] = Judged(name, unit, step, 1, truth, names[best], float(shares[step, best]), False, unit)
    return found, hidden


class ListedClips(ClipSampler):
    """Gives clips in their order, instead of random ones."""

    def __init__(self, drawn: Sequence[Drawn]) -> None:
        self._left = list(reversed(drawn))

    def draw(self, rng: np.random.Generator, action: str | None = None) -> Drawn:
        """Return the next clip; `rng` and `action` are ignored. Raises IndexError after the last one."""
        return self._left.pop()


def listed_clips(
    clips: Sequence[MotionClips],
    usable: Mapping[str, NDArray[np.bool_]],
    actions: Sequence[str],
    role: Role | None,
    each: int,
    rng: np.random.Generator,
) -> Iterator[tuple[str, Drawn]]:
    """Yield `each` clips and frames of every action and unit, with the unit's name.

    A unit is a person, or a group of clips that are close to copies of each other; its clips of an action take turns.
    Frames are of the second half of the action in its clip, so that enough of it was seen.
    `usable` [F] by source: the frames that may be the last of a sequence. `role` None: all clips.
    """
    for one in clips:
        of_role = np.ones(len(one), bool) if role is None else roles(one) == role
        clip_of = np.repeat(np.arange(len(one)), np.diff(one.start))
        names = np.array(units(one))
        for action in actions:
            if action not in one.actions:
                continue
            shown = (one.action == one.actions.index(action)) & usable[one.source]
            having = np.unique(clip_of[shown])
            having = having[of_role[having]]
            for unit in np.unique(names[having]).tolist():
                own = rng.permutation(having[names[having] == unit])
                for number in range(each):
                    clip = int(own[number % len(own)])
                    frames = np.flatnonzero(shown[one.frames(clip)])
                    later = frames[len(frames) // 2 :]
                    yield f"{one.source} {unit}", Drawn(one, clip, int(rng.choice(later)), action)
