"""Sequences from annotated or detected 2-D keypoints (`pose2d/` of a data folder), as our detector would report them.

Positions become pixels of a plausible picture: people of any height, mirrored or not, with simulated errors and scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.kinetics_tps.video_roles import Role
from training.sequences import Sequences, Source, Tensors, to_tensors, without_steps
from training.sources.motion_clips import MIRRORED_KEYPOINTS, UNKNOWN, MotionClips
from training.sources.planar import depths, planar_clips, visible_states, with_faces
from training.sources.sampling import LOOPED, USUAL_FPS, ClipSampler, draw_window, vocabulary_indices
from training.synthetic.sequences.cameras import View, camera_motion, draw_heights, picture_edges
from training.synthetic.sequences.generator import draw_times, reported_times
from training.synthetic.sequences.keypoint_noise import detect
from training.synthetic.sequences.labels import relevance_of_actions

Array = NDArray[np.float64]

ANNOTATED = frozenset({"penn_action", "jhmdb"})
"""Sources annotated by people, in films whose cameras move. The joints of all others were located by a detector, in
front of a camera that stands still."""
DOUBTFUL = {"penn_action": ("jumping_jacks",), "chengeyang": ("squat",)}
"""Beginnings of the names of clips whose action is doubtful. As `other`, jumping jacks contradict waving with both arms
(waves recognised: 75 % without, 48 % with them). The people of chengeyang's squat never stand: they crouch."""
_STEPPING = ("walk", "run")
ASPECT = 0.1
"""Largest change of the ratio of width to height."""
_WHOLE = 0.6
"""Share of sequences with the full number of steps, if the clip is long enough."""
_MOVING_CAMERAS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """T steps of a clip: fields as of `PlanarClips`, `action` [T] in the vocabulary, `times` [T] in seconds from 0, and
    whether a detector located the joints."""

    points: Array
    known: NDArray[np.bool_]
    height: Array
    facing: Array
    side: Array
    edges: Array
    action: NDArray[np.int64]
    times: Array
    located: bool


class Poses(Source):
    """A source of sequences from 2-D clips of one role."""

    def __init__(
        self,
        clips: Sequence[MotionClips],
        vocabulary: Vocabulary,
        seed: int,
        *,
        role: Role = "train",
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """`shares`: relative shares of actions, as of `ClipSampler`. Raises ValueError if no clip can be drawn."""
        clips = [_without_doubtful(one) for one in clips]
        self.vocabulary = vocabulary
        super().__init__(seed)
        self.sampler = ClipSampler(clips, role, vocabulary, shares=shares)
        self._planar = {one.source: planar_clips(one) for one in clips}
        self._action_of = {one.source: vocabulary_indices(one, vocabulary) for one in clips}
        self._defining, self._defined = relevance_of_actions(vocabulary)
        index = {name: number for number, name in enumerate(vocabulary.actions)}
        self._other = index.get("other", UNKNOWN)
        self._stepping = [index[name] for name in _STEPPING if name in index]

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, on the CPU."""
        return to_tensors(self.sequences(count, window))

    def sequences(self, count: int, window: int, action: str | None = None) -> Sequences:
        """Return `count` sequences of 1 to `window` steps that end with `action`, or with random actions."""
        rng = self.rng
        times = draw_times(rng, count, window)
        asked = np.where(rng.random(count) < _WHOLE, window, rng.integers(1, window + 1, count))
        drawn = [self._draw(times[row, : asked[row]], action, whole=asked[row] == window) for row in range(count)]
        return self._see(drawn, window)

    def _draw(self, times: Array, action: str | None, *, whole: bool) -> _Window:
        """Draw a window at `times` [T] that ends at a frame of the action.

        If the clip is too short before that frame, a `whole` window ends later in the action: clips of a second would
        mostly give a few steps.
        """
        drawn = self.sampler.draw(self.rng, action)
        clips, first = drawn.clips, int(drawn.clips.start[drawn.clip])
        planar = self._planar[clips.source]
        length, last = int(clips.start[drawn.clip + 1]) - first, drawn.last
        fps = float(clips.fps[drawn.clip])
        filled = min(int((times[-1] - times[0]) * (fps or USUAL_FPS)), length - 1)
        if whole and filled > last and clips.action[first + filled] == clips.action[first + last]:
            last = filled
        positions = draw_window(
            self.rng,
            times - times[-1],
            length=length,
            last=last,
            fps=fps,
            looped=drawn.action in LOOPED,
        )
        below = np.floor(positions).astype(np.int64)
        above = np.ceil(positions).astype(np.int64)
        weight = positions - below
        nearest = first + np.where(weight < 0.5, below, above)

        def between(values: NDArray[np.float32]) -> Array:
            share = weight.reshape(-1, *[1] * (values.ndim - 1))
            return values[first + below] * (1 - share) + values[first + above] * share

        own = times[-len(positions) :]
        return _Window(
            points=between(planar.points),
            known=planar.known[nearest],
            height=between(planar.height),
            facing=between(planar.facing),
            side=between(planar.side),
            edges=planar.edges[drawn.clip],
            action=self._action_of[clips.source][clips.action[nearest]],
            times=own - own[0],
            located=clips.source not in ANNOTATED,
        )

    def _see(self, drawn: Sequence[_Window], window: int) -> Sequences:
        """Return the detections and targets of windows of up to `window` steps."""
        rng, count = self.rng, len(drawn)
        lengths = np.array([len(one.times) for one in drawn])
        step = np.minimum(np.arange(window), lengths[:, None] - 1)

        def padded(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
            return np.stack([array[steps] for array, steps in zip(arrays, step, strict=True)])

        times = padded(one.times for one in drawn)
        points, known = padded(one.points for one in drawn), padded(one.known for one in drawn)
        height, facing = padded(one.height for one in drawn), padded(one.facing for one in drawn)
        side, action = padded(one.side for one in drawn), padded(one.action for one in drawn)
        edges = np.stack([one.edges for one in drawn])
        located = np.array([one.located for one in drawn])
        real = np.arange(window) < lengths[:, None]

        flip = rng.random(count) < 0.5
        points[flip] = points[flip][:, :, MIRRORED_KEYPOINTS] * [-1, 1]
        known[flip], side[flip] = known[flip][:, :, MIRRORED_KEYPOINTS], -side[flip]
        edges[flip] = edges[flip][:, [2, 1, 0, 3]] * [-1, 1, -1, 1]
        gap = np.diff(times, axis=1, prepend=times[:, :1])
        own = points / height[..., None, None]
        own = with_faces(rng, own, facing, side, gap)
        stepping = np.isin(action, self._stepping) | (action == UNKNOWN)
        states, states_known = visible_states(self.vocabulary, own, known, stepping)

        pixels = draw_heights(rng, count)
        scale = (pixels * lengths / (height * real).sum(1))[:, None]
        wide = np.stack([1 + rng.uniform(-ASPECT, ASPECT, count), np.ones(count)], -1)
        points = own * (height * scale)[..., None, None] * wide[:, None, None]
        points += (camera_motion(rng, times, pixels, _MOVING_CAMERAS) * located[:, None, None])[:, :, None]
        picture = picture_edges(rng, points, pixels)
        edges = edges * scale * np.tile(wide, 2)
        picture[:, :2], picture[:, 2:] = (
            np.maximum(picture[:, :2], edges[:, :2]),
            np.minimum(picture[:, 2:], edges[:, 2:]),
        )
        corner = picture[:, :2].copy()
        view = View(
            points=points - corner[:, None, None],
            depth=depths(own, facing, side),
            stature=height * scale,
            facing=facing,
            side=side,
            picture=picture - np.tile(corner, 2),
        )
        hidden = ~known
        hidden[..., :5] = False
        found = detect(rng, view, times, np.zeros(count, dtype=bool), hidden=hidden, located=located)

        # If the detections do not show the action, the correct answer is none of the actions.
        action = np.where(found.readable | (action == UNKNOWN), action, self._other)
        sure = real & found.readable & (action != UNKNOWN)
        made = Sequences(
            keypoints=found.keypoints,
            boxes=found.boxes,
            times_us=np.round(reported_times(rng, times) * 1e6).astype(np.int64),
            lengths=lengths,
            action=np.where(real, action, UNKNOWN),
            states=states,
            states_known=states_known & real[..., None, None],
            relevance=self._defining[action],
            relevance_known=self._defined[action] & sure[..., None],
        )
        return without_steps(made, ~found.found)


def _without_doubtful(clips: MotionClips) -> MotionClips:
    """Return the clips without actions where they are doubtful."""
    doubtful = DOUBTFUL.get(clips.source, ())
    if not doubtful:
        return clips
    which = np.array([text.startswith(doubtful) for text in clips.text])
    return replace(clips, action=np.where(np.repeat(which, np.diff(clips.start)), UNKNOWN, clips.action))
