"""Drawing windows of recorded motion: action, source, person, clip, last frame, and the frames before it.

A data set with many clips must not outweigh the others, nor a person with many repetitions, which are close to copies:
the number of data sets and people is what a recogniser learns from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.kinetics_tps.video_roles import Role
from training.sources.motion_clips import UNKNOWN, MotionClips
from training.sources.roles import roles, units

Array = NDArray[np.float64]
Item = TypeVar("Item")

LOOPED = frozenset({"wave", "clap"})
"""Actions whose clips are looped to and fro: they look alike backwards, and their clips last one to two seconds."""
USUAL_FPS = 30.0
"""Frame rate of clips whose rate is unknown."""
SPEED = 0.15
"""Largest change of speed of a window."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A clip of a source, an action of the vocabulary, and a frame of that action counted from the clip's first."""

    clips: MotionClips
    clip: int
    last: int
    action: str


class PeopleSampler(Generic[Item]):
    """Draws items: action → source, by the square root of its items of the action → person → item.

    Actions are equally likely, unless `shares` gives the relative share of some; the share of the others is 1.
    `actions`: those that are drawn, in the vocabulary's order.
    """

    def __init__(
        self,
        items: Mapping[str, Mapping[str, Mapping[str, Sequence[Item]]]],
        vocabulary: Vocabulary,
        shares: Mapping[str, float] | None,
    ) -> None:
        """`items` by action of the vocabulary, source and person. Raises ValueError for wrong shares."""
        self._people = {
            action: [list(people.values()) for people in items[action].values()]
            for action in vocabulary.actions
            if items.get(action)
        }
        self.actions, self._weights = action_shares(self._people, vocabulary, shares)

    def draw(self, rng: np.random.Generator, action: str | None = None) -> tuple[str, Item]:
        """Draw an item of a random or given action. Raises ValueError if there is none of the action."""
        if action is None:
            action = self.actions[int(rng.choice(len(self.actions), p=self._weights))]
        sources = self._people.get(action)
        if sources is None:
            raise ValueError(f"no clip shows {action!r}; available: {', '.join(self._people)}")
        shares = np.array([sum(map(len, people)) ** 0.5 for people in sources])
        people = sources[int(rng.choice(len(sources), p=shares / shares.sum()))]
        person = people[int(rng.integers(len(people)))]
        return action, person[int(rng.integers(len(person)))]


class ClipSampler:
    """Draws clips of one role, and a frame of each, as `PeopleSampler` does.

    Frames with an action outside the vocabulary count as unknown. Raises ValueError if there is nothing to draw.
    """

    def __init__(
        self,
        clips: Sequence[MotionClips],
        role: Role,
        vocabulary: Vocabulary,
        *,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self._sampler = PeopleSampler(_by_action(clips, role, vocabulary), vocabulary, shares)
        if not self._sampler.actions:
            names = ", ".join(one.source for one in clips) or "none"
            raise ValueError(f"no {role} clip has an action to draw (sources: {names}); give other sources or shares")

    def draw(self, rng: np.random.Generator, action: str | None = None) -> Drawn:
        """Draw a clip and a frame of a random or given action. Raises ValueError if no clip has the action."""
        action, (clips, clip) = self._sampler.draw(rng, action)
        frames = np.flatnonzero(clips.action[clips.frames(clip)] == clips.actions.index(action))
        return Drawn(clips, clip, int(rng.choice(frames)), action)


def action_shares(
    actions: Iterable[str], vocabulary: Vocabulary, shares: Mapping[str, float] | None
) -> tuple[tuple[str, ...], Array]:
    """Return those of `actions` that are drawn, and the probability of each: equal, except where `shares` gives a
    relative share other than 1. Raises ValueError for wrong shares."""
    shares = shares or {}
    for action, share in shares.items():
        if action not in vocabulary.actions:
            raise ValueError(f"shares: {action!r} is not an action of the vocabulary")
        if not 0 <= share < np.inf:
            raise ValueError(f"shares: {action!r} must have a share of 0 or more, not {share}")
    drawn = tuple(name for name in actions if shares.get(name, 1.0) > 0)
    weights = np.array([shares.get(name, 1.0) for name in drawn])
    return drawn, weights / weights.sum()


def vocabulary_indices(clips: MotionClips, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the vocabulary's index of each of `clips.actions`, −1 for others and, at the end, for unknown ones.

    `vocabulary_indices(clips, vocabulary)[clips.action]` are the targets of all frames.
    """
    known = {name: index for index, name in enumerate(vocabulary.actions)}
    return np.array([known.get(name, UNKNOWN) for name in clips.actions] + [UNKNOWN], dtype=np.int64)


def draw_window(
    rng: np.random.Generator, times: Array, *, length: int, last: int, fps: float = 0.0, looped: bool = False
) -> Array:
    """Return the frames shown at steps, as positions between 0 and `length` − 1 with fractions, float64 [≤ T].

    `times` [T] are seconds that rise to 0, at which frame `last` of a clip of `length` frames is shown. `fps` 0 means
    unknown. The clip is played up to 15 % faster or slower. Steps before the clip's first frame are left out; a
    `looped` clip is played to and fro before it instead.
    """
    if not 0 <= last < length:
        raise ValueError(f"frame {last} is not in a clip of {length} frames")
    positions = last + times * (fps or USUAL_FPS) * rng.uniform(1 - SPEED, 1 + SPEED)
    if not looped or length == 1:
        return positions[positions >= 0]
    end = length - 1
    return end - np.abs(end - positions % (2 * end))


def _by_action(
    clips: Sequence[MotionClips], role: Role, vocabulary: Vocabulary
) -> dict[str, dict[str, dict[str, list[tuple[MotionClips, int]]]]]:
    """Return the clips with the role by action, source and person."""
    found: dict[str, dict[str, dict[str, list[tuple[MotionClips, int]]]]] = {name: {} for name in vocabulary.actions}
    for one in clips:
        chosen, names = roles(one) == role, units(one)
        clip_of = np.repeat(np.arange(len(one)), np.diff(one.start))
        for index, action in enumerate(one.actions):
            if action in found:
                for clip in np.unique(clip_of[one.action == index]).tolist():
                    if chosen[clip]:
                        people = found[action].setdefault(one.source, {})
                        people.setdefault(names[clip], []).append((one, clip))
    return found
