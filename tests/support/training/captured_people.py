"""Captures of a simple person, made joint by joint: z up, facing along +x, the left side at +y."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from training.sources.motion_clips import MotionClips

FPS = 30.0
NAMES = (
    "head_top", "head", "neck", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_hand",
    "r_hand", "pelvis", "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_toe", "r_toe",
)  # fmt: skip
COLUMN = {name: number for number, name in enumerate(NAMES)}
_STANDING = {
    "head_top": (0.03, 0, 1.75), "head": (0.03, 0, 1.62), "neck": (0, 0, 1.45), "pelvis": (0, 0, 0.95),
    "l_shoulder": (0, 0.19, 1.42), "l_elbow": (0, 0.22, 1.12), "l_wrist": (0.02, 0.23, 0.86), "l_hand": (0, 0.23, 0.78),
    "l_hip": (0, 0.1, 0.93), "l_knee": (0.02, 0.1, 0.5), "l_ankle": (0, 0.1, 0.08), "l_toe": (0.15, 0.1, 0.03),
}  # fmt: skip


def standing(frames: int) -> np.ndarray:
    """Return a person who stands still, [frames, 20, 3] metres."""
    joints = np.zeros((frames, len(NAMES), 3))
    for name, place in _STANDING.items():
        joints[:, COLUMN[name]] = place
        if name.startswith("l_"):
            joints[:, COLUMN["r" + name[1:]]] = np.array(place) * (1, -1, 1)
    return joints


def waving(frames: int, side: str = "r") -> np.ndarray:
    """Return a person whose one hand waves beside the head, twice a second."""
    joints = standing(frames)
    out = 1.0 if side == "l" else -1.0
    swing = 0.2 * np.sin(2 * np.pi * 2.0 * np.arange(frames) / FPS)
    joints[:, COLUMN[f"{side}_elbow"]] = (0.05, out * 0.4, 1.5)
    joints[:, COLUMN[f"{side}_wrist"]] = (0.1, out * 0.4, 1.75)
    joints[:, COLUMN[f"{side}_wrist"], 1] += out * swing
    return joints


def punching(frames: int, side: str = "r") -> np.ndarray:
    """Return a person in a guard whose one hand strikes ahead once a second."""
    joints = standing(frames)
    out = np.maximum(np.sin(2 * np.pi * np.arange(frames) / FPS), 0)
    for hand, share in (("l", out * (side == "l")), ("r", out * (side == "r"))):
        shoulder = joints[:, COLUMN[f"{hand}_shoulder"]]
        far = shoulder + np.stack([0.15 + 0.4 * share, 0 * share, -0.1 + 0.1 * share], -1)
        joints[:, COLUMN[f"{hand}_wrist"]] = far
        joints[:, COLUMN[f"{hand}_elbow"]] = 0.5 * (shoulder + far) - np.stack(
            [0 * share, 0 * share, 0.2 - 0.15 * share], -1
        )
    return joints


def walking(frames: int, speed: float = 1.2) -> np.ndarray:
    """Return a person who walks along +x at `speed` in metres per second, with legs that swing once a second."""
    joints = standing(frames)
    seconds = np.arange(frames) / FPS
    for side, phase in (("l", 0.0), ("r", np.pi)):
        swing = np.sin(2 * np.pi * seconds + phase)
        joints[:, COLUMN[f"{side}_knee"], 0] += 0.15 * swing
        joints[:, COLUMN[f"{side}_ankle"], 0] += 0.3 * swing
        joints[:, COLUMN[f"{side}_ankle"], 2] += 0.08 * np.maximum(np.cos(2 * np.pi * seconds + phase), 0)
    joints[..., 0] += (speed * seconds)[:, None]
    return joints


def captured(
    parts: Sequence[tuple[str | Sequence[str], np.ndarray]],
    *,
    source: str = "made",
    people: Sequence[str] | None = None,
    place: Callable[[np.ndarray], np.ndarray] = lambda joints: joints,
) -> MotionClips:
    """Return clips of (action of all frames or of each, "" for unknown; joints [F, 20, 3])."""
    labels = [[action] * len(joints) if isinstance(action, str) else list(action) for action, joints in parts]
    actions = tuple(sorted({name for clip in labels for name in clip if name}))
    count = len(parts)
    return MotionClips(
        source=source,
        points=np.concatenate([place(joints) for _, joints in parts]).astype(np.float16),
        names=NAMES,
        start=np.concatenate([[0], np.cumsum([len(clip) for clip in labels])]).astype(np.int64),
        action=np.array([actions.index(name) if name else -1 for clip in labels for name in clip], dtype=np.int64),
        actions=actions,
        text=[""] * count,
        person=list(people) if people is not None else [""] * count,
        fps=np.full(count, FPS),
        size=np.zeros((count, 2), np.int64),
    )
