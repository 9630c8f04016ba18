"""Clips of recorded motion in a fixed order, for sequences that are scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.kinetics_tps.video_roles import Role
from training.sources.motion_clips import MotionClips
from training.sources.roles import roles, units
from training.sources.sampling import ClipSampler, Drawn


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
