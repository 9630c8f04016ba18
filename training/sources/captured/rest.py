"""Frames of captured actions in which the person rests: arms that hang down, feet and hands that stay where they are.

Captures of one action often begin and end at rest, and are labelled throughout: a fifth of the waving and half of the
kicking in MSR-Action3D. Training on those frames would teach that people who stand wave or kick.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from training.sources.motion_clips import UNKNOWN, MotionClips

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
