"""Captured motion seen through random cameras and the simulated detector: 3-D joints of real people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.kinetics_tps.video_roles import Role
from training.sequences import Sequences, Source, Tensors, to_tensors, without_steps
from training.sources.captured.bodies import (
    JOINTS,
    Bodies,
    Measures,
    check_joints,
    filled,
    keypoints,
    mirrored,
    missing_keypoints,
)
from training.sources.captured.corrections import ARMS_NOT_NEEDED, with_lowered_arms, without_rest
from training.sources.captured.targets import CaptureTargets
from training.sources.motion_clips import UNKNOWN, MotionClips
from training.sources.sampling import LOOPED, ClipSampler, draw_window, vocabulary_indices
from training.sources.terms import DataFolderError
from training.synthetic.motion.skeleton import draw_builds
from training.synthetic.sequences.detector_errors import slow_noise
from training.synthetic.sequences.generator import draw_times, observe, reported_times

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_FACING_CAMERA = frozenset({"wave", "clap", "punch", "throw", "juggle"})
"""Actions that mostly address another person, who is often where the camera is; as for generated sequences."""
_ATTEMPTS = 50
"""Number of draws for a window whose last step shows a body."""
_HEAD_YAW, _HEAD_SECONDS = np.radians(14.0), 1.5
"""Captures do not say where faces look: heads turn at random, by this standard deviation and correlation time."""


class Captures(Source):
    """A source of sequences of captured people (`training.sources.motion_clips.MOTION`) of one role.

    The bodies' proportions, mirroring, cameras, detection errors and times are drawn as for generated sequences; the
    cameras are those of training also for roles that test, whose people are new. Raises ValueError if no clip of the
    role has an action of the vocabulary, and `DataFolderError` for a source without the joints, or whose clips show no
    body.
    """

    def __init__(
        self,
        clips: Sequence[MotionClips],
        vocabulary: Vocabulary,
        seed: int,
        *,
        role: Role = "train",
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        for one in clips:
            check_joints(one)  # `without_rest` needs them too
        clips = [without_rest(one) for one in clips]
        self.sampler = ClipSampler(clips, role, vocabulary, shares=shares)
        super().__init__(seed)
        self._bodies = {one.source: Bodies(one) for one in clips}
        self._indices = {one.source: vocabulary_indices(one, vocabulary) for one in clips}
        self._targets = CaptureTargets(vocabulary)
        self._other = vocabulary.actions.index("other") if "other" in vocabulary.actions else UNKNOWN

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, on the CPU."""
        return to_tensors(self.sequences(count, window))

    def sequences(self, count: int, window: int, *, action: str | None = None) -> Sequences:
        """Return `count` sequences of 1 to `window` steps that end with a frame labelled `action`, or a random one."""
        rng = self.rng
        times = draw_times(rng, count, window)
        lengths = np.where(rng.random(count) < 0.6, window, rng.integers(1, window + 1, count))
        joints = np.zeros((count, window, len(JOINTS), 3))
        missing = np.zeros((count, window, len(JOINTS)), dtype=bool)
        labels = np.full((count, window), UNKNOWN)
        measures: list[Measures] = []
        ears = np.zeros((count, 2))
        front, lowered = np.zeros((2, count), dtype=bool)
        for row in range(count):
            own = times[row, : lengths[row]]
            source, clip, drawn, positions, shown, unknown = self._window(own - own[-1], action)
            steps = lengths[row] = len(positions)
            times[row, :steps] = own[len(own) - steps :]
            for array, value in ((joints, shown), (missing, unknown)):
                array[row, :steps], array[row, steps:] = value, value[-1]
            times[row, steps:] = times[row, steps - 1]
            frames = source.clips.frames(clip)
            nearest = np.rint(positions).astype(np.int64)
            labels[row, :steps] = self._indices[source.clips.source][source.clips.action[frames][nearest]]
            labels[row, steps:] = labels[row, steps - 1]
            measures.append(source.measures(clip))
            ears[row] = source.ears_from_head
            front[row], lowered[row] = drawn in _FACING_CAMERA, drawn in ARMS_NOT_NEEDED
        gap = np.diff(times, axis=1, prepend=times[:, :1])
        joints = with_lowered_arms(rng, joints, gap, lowered)
        return self._see(joints, missing, measures, ears, front, labels, times, lengths)

    def _window(self, times: Array, action: str | None) -> tuple[Bodies, int, str, Array, Array, Flags]:
        """Draw a window at `times` [T] that end at 0: the source's bodies, the clip, the action, frames as positions,
        joints and which of them are unknown. It begins after the last step without a body."""
        for _ in range(_ATTEMPTS):
            drawn = self.sampler.draw(self.rng, action)
            bodies = self._bodies[drawn.clips.source]
            frames = drawn.clips.frames(drawn.clip)
            positions = draw_window(
                self.rng,
                times,
                length=frames.stop - frames.start,
                last=drawn.last,
                fps=float(drawn.clips.fps[drawn.clip]),
                looped=drawn.action in LOOPED,
            )
            joints, missing, cut = filled(bodies.frames(drawn.clip, positions))
            first = int(np.flatnonzero(cut)[-1]) + 1 if cut.any() else 0
            if first < len(positions):
                return bodies, drawn.clip, drawn.action, positions[first:], joints[first:], missing[first:]
        raise DataFolderError(
            f"captures: none of {_ATTEMPTS} clips drawn for {action or 'any action'} shows a body (sources: "
            f"{', '.join(self._bodies)}); `partstream data check` shows which lack points: leave them out with "
            "data.recorded.without, or import them again"
        )

    def _see(
        self,
        joints: Array,
        missing: Flags,
        measures: list[Measures],
        ears: Array,
        front: Flags,
        labels: NDArray[np.int64],
        times: Array,
        lengths: NDArray[np.int64],
    ) -> Sequences:
        rng, count = self.rng, len(joints)
        stature = np.array([own.stature for own in measures])
        gap = np.diff(times, axis=1, prepend=times[:, :1])
        yaw = _HEAD_YAW * slow_noise(rng, gap, _HEAD_SECONDS, 1)[..., 0]
        points, facing = keypoints(joints, measures, ears, draw_builds(rng, count), yaw)
        points, facing, unknown = mirrored(points, facing, missing_keypoints(missing), rng.random(count) < 0.5)
        _, found = observe(
            rng,
            points,
            facing,
            stature,
            times,
            from_front=front,
            hide_legs=np.zeros(count, dtype=bool),
            missing=unknown,
        )
        action = self._targets.actions(labels, points, times, stature)
        states, states_known, defining, known = self._targets.states(action, points, facing, unknown, times, stature)
        real = np.arange(times.shape[1]) < lengths[:, None]
        # If the detections do not show the action, the correct answer is none of the actions.
        action = np.where(found.readable | (action == UNKNOWN), action, self._other)
        made = Sequences(
            keypoints=found.keypoints,
            boxes=found.boxes,
            times_us=np.round(reported_times(rng, times) * 1e6).astype(np.int64),
            lengths=lengths,
            action=np.where(real, action, UNKNOWN),
            states=states,
            states_known=states_known & real[..., None, None],
            relevance=defining,
            relevance_known=known & (real & found.readable)[..., None],
        )
        return without_steps(made, ~found.found)
