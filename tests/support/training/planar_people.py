"""People of known height and turn in a picture, as 2-D clips without perspective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.sources.motion_clips import MotionClips
from training.synthetic.motion.motion import WRISTS
from training.synthetic.motion.movement import upright
from training.synthetic.motion.skeleton import KEYPOINTS, Builds, draw_builds, joints

Array = NDArray[np.float64]


def person(
    frames: int, *, turn: float = 0.0, height: float = 200.0, lying: bool = False, hands_up: bool = False
) -> Array:
    """Return keypoints [frames, 17, 3] of a still person of that height in pixels.

    `turn` in degrees: 0 faces the camera, 90 shows the right side. `lying`: the picture is turned, head to the right.
    """
    poses = upright(np.arange(frames) / 30)
    if hands_up:
        poses[:, WRISTS] = (0.1, 0.9, -0.2, 0.1, 0.9, 0.2)
    builds = _average()
    points = joints(poses[None], builds)[0][0] / builds.stature[0] * height
    angle = np.deg2rad(turn)
    x = points @ np.array([np.sin(angle), 0.0, -np.cos(angle)])
    place = np.stack([x, -points[..., 1]], -1)
    if lying:
        place = np.stack([-place[..., 1], place[..., 0]], -1)
    return np.concatenate([place + height, np.ones((frames, 17, 1))], -1)


def pose_clips(
    keypoints: Sequence[Array],
    labels: Sequence[str],
    *,
    source: str = "films",
    unit: str = "pixel",
    size: tuple[int, int] = (0, 0),
    text: Sequence[str] = (),
) -> MotionClips:
    """Return clips with one action each, "" for an unknown one, at 30 frames per second."""
    actions = tuple(sorted({name for name in labels if name}))
    frames = [len(clip) for clip in keypoints]
    index = [actions.index(name) if name else -1 for name in labels]
    return MotionClips(
        source=source,
        points=np.concatenate(keypoints).astype(np.float32),
        names=KEYPOINTS,
        start=np.concatenate([[0], np.cumsum(frames)]).astype(np.int64),
        action=np.repeat(index, frames).astype(np.int64),
        actions=actions,
        text=list(text) or [""] * len(labels),
        person=[""] * len(labels),
        fps=np.full(len(labels), 30.0),
        size=np.tile(np.array(size, np.int64), (len(labels), 1)),
        unit=unit,
    )


def _average() -> Builds:
    """Return the mean of many builds of adults."""
    many = draw_builds(np.random.default_rng(0), 500)
    shares = {name: np.mean(getattr(many, name) / many.stature) * 1.7 for name in Builds.__slots__ if name != "stature"}
    return Builds(stature=np.array([1.7]), **{name: np.array([value]) for name, value in shares.items()})
