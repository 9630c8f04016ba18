"""Corrections of captures that would teach wrong answers: rests within actions, and arms that are held up.

Captures of one action often begin and end at rest, and are labelled throughout: a fifth of the waving and half of the
kicking in MSR-Action3D. Training on those frames would teach that people who stand wave or kick.

The subjects of UI-PRMD hold their arms out or overhead in nearly all frames of standing, sitting, sitting down and
standing up, and no other data set has as many people who do so. Without this change, the network would learn that
raised arms mean sitting, and would classify waving as standing.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from training.sources.captured.bodies import ELBOWS, SHOULDERS, WRISTS, chest_axes
from training.sources.motion_clips import UNKNOWN, MotionClips
from training.synthetic.sequences.detector_errors import slow_noise

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_HANDS, _FEET, _ANY = ("wave", "clap", "punch", "throw"), ("kick",), ("other",)
"""Actions that rest when the arms hang and are still; when the feet stand; when a standing person is still."""
_HANGING_DEG = 30.0
"""Largest angle between a hanging arm and the trunk's downward direction."""
_FLOOR_M = 0.12
"""Height of standing ankles above the clip's lower ones."""
_TALL = 0.93
"""Least height of a standing person's pelvis, as a share of its upper heights in the clip."""
_STILL = 0.4
"""Largest speed of resting hands and feet, in metres per second, over `_AROUND_S` before and after."""
_AROUND_S = 0.1

_WRISTS, _SHOULDERS, _HIPS, _ANKLES = ((f"l_{joint}", f"r_{joint}") for joint in ("wrist", "shoulder", "hip", "ankle"))


def without_rest(clips: MotionClips) -> MotionClips:
    """Return captures with unknown actions where the labelled action rests. Joints that are missing do not rest."""
    action = clips.action.copy()
    for names, rests in ((_HANDS, _hands_rest), (_FEET, _feet_rest), (_ANY, _everything_rests)):
        labels = [number for number, name in enumerate(clips.actions) if name in names]
        frames = np.flatnonzero(np.isin(clips.action, labels))
        if len(frames):
            action[frames[rests(_Frames(clips, frames))]] = UNKNOWN
    return dataclasses.replace(clips, action=action)


class _Frames:
    """Some frames of captures [K], with those just before and after in the same clip."""

    def __init__(self, clips: MotionClips, frames: NDArray[np.int64]) -> None:
        self.clips, self.at = clips, frames
        self.clip = np.searchsorted(clips.start, frames, side="right") - 1
        fps = np.where(clips.fps > 0, clips.fps, 30.0)[self.clip]
        reach = np.maximum(np.rint(_AROUND_S * fps), 1).astype(np.int64)
        self.before = np.maximum(frames - reach, clips.start[self.clip])
        self.after = np.minimum(frames + reach, clips.start[self.clip + 1] - 1)
        self.seconds = np.maximum(self.after - self.before, 1)[:, None] / fps[:, None]

    def joints(self, names: tuple[str, ...], frames: NDArray[np.int64] | None = None) -> Array:
        """Return joints [K, J, 3]."""
        columns = [self.clips.names.index(name) for name in names]
        return self.clips.points[(self.at if frames is None else frames)[:, None], columns].astype(np.float64)

    def still(self, names: tuple[str, ...], root: tuple[str, ...] | None = None) -> Flags:
        """Return whether joints hardly move, relative to others if `root`, bool [K, J]."""
        last, first = self.joints(names, self.after), self.joints(names, self.before)
        if root is not None:
            last, first = last - self.joints(root, self.after), first - self.joints(root, self.before)
        return np.less(np.linalg.norm(last - first, axis=-1) / self.seconds, _STILL)

    def heights(self, names: tuple[str, ...], percentile: float) -> Array:
        """Return a percentile of the joints' heights in each frame's clip, [K]; NaN if they are never known."""
        columns = [self.clips.names.index(name) for name in names]
        out = np.full(len(self.clips), np.nan)
        for clip in np.unique(self.clip).tolist():
            own = self.clips.points[self.clips.frames(clip)][:, columns, 2]
            known = own[np.isfinite(own)].astype(np.float64)
            if len(known):
                out[clip] = np.percentile(known, percentile)
        return out[self.clip]


def _hands_rest(frames: _Frames) -> Flags:
    shoulders = frames.joints(_SHOULDERS)
    down = (frames.joints(_HIPS).mean(1) - shoulders.mean(1))[:, None]
    arm = frames.joints(_WRISTS) - shoulders
    size = np.linalg.norm(arm, axis=-1) * np.linalg.norm(down, axis=-1)
    hanging = (arm * down).sum(-1) > np.cos(np.radians(_HANGING_DEG)) * size
    return np.all(hanging & frames.still(_WRISTS, _SHOULDERS), axis=-1)


def _feet_rest(frames: _Frames) -> Flags:
    low = frames.joints(_ANKLES)[..., 2] < frames.heights(_ANKLES, 10)[:, None] + _FLOOR_M
    return np.all(low & frames.still(_ANKLES), axis=-1)


def _everything_rests(frames: _Frames) -> Flags:
    standing = frames.joints(_HIPS)[..., 2] > _TALL * frames.heights(_HIPS, 90)[:, None]
    return _feet_rest(frames) & np.all(standing & frames.still(_WRISTS), axis=-1)


ARMS_NOT_NEEDED = frozenset({"stand", "sit", "sit_down", "stand_up", "squat"})
"""Actions that do not need raised arms."""
_SHARE = 0.75
"""Share of the people with raised arms who lower them."""
_RAISED, _MOSTLY = 0.35, 0.7
"""An arm is raised if the wrist is less than this share of the arm's length below the shoulder, at most steps."""
_SWAY, _SWAY_SECONDS = np.radians(4.0), 0.8


def with_lowered_arms(rng: np.random.Generator, joints: Array, gap: Array, apt: Flags) -> Array:
    """Return joints [N, T, 15, 3], y up, with arms that hang or are bent in front for most of the people who hold both
    arms up and are `apt` [N]. `gap` [N, T]: seconds since the step before. Random numbers are drawn for all alike."""
    count, steps = gap.shape
    chosen = rng.random(count) < _SHARE
    bent = rng.random((count, 2)) < 0.4
    forward = np.where(bent, rng.uniform(5, 30, (count, 2)), rng.normal(3, 6, (count, 2)).clip(-10, 16))
    outward = rng.uniform(4, 18, (count, 2))
    elbow = np.where(bent, rng.uniform(50, 95, (count, 2)), rng.uniform(4, 35, (count, 2)))
    sway = _SWAY * slow_noise(rng, gap, _SWAY_SECONDS, 4).reshape(count, steps, 2, 2)
    rows = np.flatnonzero(apt & chosen & _raised(joints))
    if not len(rows):
        return joints
    out, own = joints.copy(), joints[rows]
    _, ahead, right = chest_axes(own)
    level = np.array([1.0, 0.0, 1.0])
    ahead, right = (axis * level / np.maximum(np.linalg.norm(axis * level, axis=-1, keepdims=True), 1e-6)
                    for axis in (ahead, right))  # fmt: skip
    aside = np.stack([-right, right], 2)  # [rows, T, 2, 3]
    first = np.radians(forward[rows])[:, None] + sway[rows, ..., 0]
    second = first + np.radians(elbow[rows])[:, None] + sway[rows, ..., 1]

    def direction(angle: Array, out_angle: Array) -> Array:
        """Return unit vectors at an angle forward of straight down, and aside."""
        swung = np.cos(angle)[..., None] * np.array([0.0, -1.0, 0.0]) + np.sin(angle)[..., None] * ahead[:, :, None]
        return np.cos(out_angle)[..., None] * swung + np.sin(out_angle)[..., None] * aside

    abduction = np.broadcast_to(np.radians(outward[rows])[:, None], first.shape)
    upper = np.linalg.norm(own[:, :, ELBOWS] - own[:, :, SHOULDERS], axis=-1, keepdims=True)
    lower = np.linalg.norm(own[:, :, WRISTS] - own[:, :, ELBOWS], axis=-1, keepdims=True)
    elbows = own[:, :, SHOULDERS] + upper * direction(first, abduction)
    out[rows, :, ELBOWS] = elbows
    out[rows, :, WRISTS] = elbows + lower * direction(second, -0.5 * abduction)
    return out


def _raised(joints: Array) -> Flags:
    """Return who holds both arms up at most steps, bool [N]."""
    shoulders, elbows, wrists = joints[:, :, SHOULDERS], joints[:, :, ELBOWS], joints[:, :, WRISTS]
    reach = np.linalg.norm(elbows - shoulders, axis=-1) + np.linalg.norm(wrists - elbows, axis=-1)
    up: Flags = np.all(shoulders[..., 1] - wrists[..., 1] < _RAISED * reach, axis=-1)
    return np.greater(up.mean(1), _MOSTLY)
