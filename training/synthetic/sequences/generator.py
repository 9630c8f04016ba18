"""Generated training data: batches of sequences, made on demand and never stored.

The random state of a `Generator` can be saved and restored, so that a resumed run sees the same batches as an
uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.sequences import Seeded, Sequences, without_steps
from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.movement import ACTION_INDEX, ACTIONS
from training.synthetic.motion.pace import without_doubtful_actions
from training.synthetic.motion.skeleton import draw_builds, joints
from training.synthetic.sequences.cameras import View, look
from training.synthetic.sequences.keypoint_noise import Detections, detect
from training.synthetic.sequences.labels import part_states, relevance
from training.synthetic.sequences.scenes import SHARES, UNSURE, Scene, draw_scene

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Batch(Sequences):
    """Generated sequences, of which everything is known.

    `seen` bool [N, T, 17] (the joint was in sight), `stature` [N] mean height in pixels, `from_behind` bool [N].
    """

    seen: NDArray[np.bool_]
    stature: Array
    from_behind: NDArray[np.bool_]


class Generator(Seeded):
    """A generator of batches. With `held_out`, its motions, gestures, builds and cameras never occur in training.

    The vocabulary must have all 24 actions, unless `partial` is set: then sequences end only with actions that it has,
    and steps with others are unknown.
    """

    def __init__(
        self, motions: Path, vocabulary: Vocabulary, seed: int, *, held_out: bool = False, partial: bool = False
    ) -> None:
        missing = [name for name in ACTIONS if name not in vocabulary.actions]
        if missing and (not partial or len(missing) == len(ACTIONS)):
            raise ValueError(f"vocabulary: lacks actions of generated sequences: {', '.join(missing)}")
        self.library = MotionLibrary(motions)
        self.vocabulary = vocabulary
        self.held_out = held_out
        super().__init__(seed)
        self.actions = tuple(name for name in ACTIONS if name not in missing)
        """The actions that sequences end with."""
        self._action_of = np.array(
            [-1 if name in missing else vocabulary.action_index(name) for name in ACTIONS] + [-1]
        )

    def batch(self, count: int, steps: int, *, action: str | Sequence[str] | None = None) -> Batch:
        """Return `count` sequences of 1 to `steps` steps; `action` fixes the last action of all, or of each."""
        rng = self.rng
        if action is None and len(self.actions) < len(ACTIONS):
            shares = np.array([SHARES[name] for name in self.actions])
            action = [self.actions[index] for index in rng.choice(len(shares), count, p=shares / shares.sum())]
        ends = [action] * count if action is None or isinstance(action, str) else list(action)
        times = draw_times(rng, count, steps)
        lengths = np.where(rng.random(count) < 0.6, steps, rng.integers(1, steps + 1, count))
        scenes: list[Scene] = []
        for row in range(count):
            # Padded steps repeat the last instant, so that the sequence ends like the scene.
            times[row, lengths[row] :] = times[row, lengths[row] - 1]
            own = times[row, : lengths[row]]
            scene = draw_scene(rng, self.library, own, held_out=self.held_out, action=ends[row])
            scenes.append(_padded(scene, steps))
        return self._see(scenes, times, lengths)

    def balanced_batch(self, count: int, steps: int) -> Batch:
        """Return a batch in which all actions are equally likely to end a sequence."""
        drawn = self.rng.integers(len(self.actions), size=count)
        return self.batch(count, steps, action=[self.actions[index] for index in drawn])

    def _see(self, scenes: list[Scene], times: Array, lengths: NDArray[np.int64]) -> Batch:
        rng, count = self.rng, len(scenes)
        poses = np.stack([scene.poses for scene in scenes])
        tags = np.stack([scene.tags for scene in scenes])
        action = np.stack([scene.action for scene in scenes])
        builds = draw_builds(rng, count, held_out=self.held_out)
        points, facing = joints(poses, builds)
        front = np.array([scene.faces_camera for scene in scenes])
        hide_legs = np.array([scene.hide_legs for scene in scenes])
        view, found = observe(
            rng, points, facing, builds.stature, times, from_front=front, hide_legs=hide_legs, held_out=self.held_out
        )
        states = part_states(self.vocabulary, points, facing, tags, times, builds.stature)
        defining, known = relevance(self.vocabulary, action, points, tags, times, builds.stature)
        real = np.arange(times.shape[1]) < lengths[:, None]
        action = without_doubtful_actions(action, points[:, :, 11:13].mean(2), times, builds.stature)
        # If the detections do not show the action, the correct answer is none of the actions.
        action = np.where(found.readable | (action == UNSURE), action, ACTION_INDEX["other"])
        made = Batch(
            keypoints=found.keypoints,
            boxes=found.boxes,
            times_us=np.round(reported_times(rng, times) * 1e6).astype(np.int64),
            lengths=lengths,
            action=np.where(real, self._action_of[action], -1),
            states=states,
            states_known=np.broadcast_to(real[..., None, None], states.shape),
            relevance=defining,
            relevance_known=np.broadcast_to((known & real & found.readable)[..., None], defining.shape),
            seen=found.seen,
            stature=view.stature.mean(1),
            from_behind=view.facing.mean(1) < -0.3,
        )
        return without_steps(made, ~found.found)


def observe(
    rng: np.random.Generator,
    points: Array,
    facing: Array,
    stature: Array,
    times: Array,
    *,
    from_front: NDArray[np.bool_],
    hide_legs: NDArray[np.bool_],
    missing: NDArray[np.bool_] | None = None,
    held_out: bool = False,
) -> tuple[View, Detections]:
    """Return the views of N people through random cameras, and what a detector reports of them.

    `points` [N, T, 17, 3] metres with y up and the ground at 0, `facing` [N, T, 3], `stature` [N] metres, `times`
    [N, T] seconds. `from_front` [N]: mostly from the front; `hide_legs` [N]: something hides the legs; `missing`
    [N, T, 17]: joints whose place is unknown (finite all the same). Arguments are as for `look` and `detect`.
    """
    view = look(rng, points, facing, stature, times, from_front, held_out=held_out)
    return view, detect(rng, view, times, hide_legs, missing=missing)


def draw_times(rng: np.random.Generator, count: int, steps: int) -> Array:
    """Return instants [count, steps] in seconds from 0, at 1 to 30 frames per second.

    Most rates are from 5 to 12.5, the highest rate of a person's steps, and a fifth of them below. Frames are missing
    at random or in bursts, as under load.
    """
    rate = np.where(rng.random(count) < 0.8, rng.uniform(5.0, 12.5, count), rng.uniform(12.5, 30.0, count))
    rate = np.where(rng.random(count) < 0.2, np.exp(rng.uniform(0.0, np.log(5.0), count)), rate)
    gaps = np.repeat(1 / rate[:, None], steps, 1)
    lossy = rng.random(count) < 0.5
    share = rng.uniform(0.0, 0.5, count) * lossy
    gaps *= 1 + (rng.random((count, steps)) < share[:, None]) * rng.geometric(0.6, (count, steps))
    pause = (rng.random((count, steps)) < 0.004) * rng.uniform(0.3, 1.9, (count, steps))
    jitter = 1 + rng.uniform(0, 0.25, (count, 1)) * rng.uniform(-1, 1, (count, steps))
    gaps = np.minimum(gaps * jitter, 1.8) + pause
    gaps[:, 0] = 0.0
    return np.cumsum(np.minimum(gaps, 2.0), 1)


def reported_times(rng: np.random.Generator, times: Array) -> Array:
    """Return the instants [N, T] that a camera reports for pictures taken at `times`.

    Half of the cameras report the true instants. The others, which use a network clock or a frame counter, deviate by
    up to half an interval. Padding stays unchanged.
    """
    before = np.diff(times, axis=1, prepend=times[:, :1])
    after = np.diff(times, axis=1, append=times[:, -1:])
    spread = rng.uniform(0.0, 0.3, (len(times), 1)) * (rng.random((len(times), 1)) < 0.5)
    off = (spread * rng.standard_normal(times.shape)).clip(-0.45, 0.45) * np.minimum(before, after).clip(0, 0.3)
    return times + off


def _padded(scene: Scene, steps: int) -> Scene:
    missing = steps - len(scene.poses)
    if missing == 0:
        return scene

    def pad(array: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([array, np.repeat(array[-1:], missing, 0)])

    return Scene(pad(scene.poses), pad(scene.tags), pad(scene.action), scene.hide_legs, scene.faces_camera)
