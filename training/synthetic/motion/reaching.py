"""Arms that reach for points around the body, with natural elbows and rhythms.

Points are [T, 3] in arm lengths from the middle between the shoulders, in the chest's frame: x forward, y up, z towards
the side of the arm, so that the same point serves either arm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import Movement, Rng, drift, set_arm, smoothstep

HALF_WIDTH = 0.348
"""Distance from the middle to a shoulder, in arm lengths."""
UPPER = 0.55
"""The upper arm's share of the arm's length."""
_TRUNK = (0.27, 0.42)
_HEAD, _SKULL = np.array([0.07, 0.36, 0.0]), 0.25


def rhythm(rng: Rng, times: Array, rate: float, *, rests: float = 0.2, unsteady: float = 0.2) -> Array:
    """Return completed cycles [T] at about `rate` per second, from a random phase on.

    The rate varies by about `unsteady`; `rests` times per second it halts for up to half a second.
    """
    grid = np.linspace(times[0] - 0.5, times[-1] + 0.02, max(int(50 * (times[-1] - times[0] + 0.5)), 8))
    pace = rate * np.exp(drift(rng, grid, unsteady, 5.0, 0.8))
    for _ in range(int(rng.poisson(rests * (grid[-1] - grid[0])))):
        start, lasting = rng.uniform(grid[0], grid[-1]), rng.uniform(0.15, 0.5)
        pace = pace * (1 - keyed(grid, (start, start + 0.1, start + lasting, start + lasting + 0.1), (0, 1, 1, 0)))
    return np.interp(times, grid, np.cumsum(pace) * (grid[1] - grid[0])) + rng.random()


def wobble(rng: Rng, times: Array, size: float, fastest: float = 0.8) -> Array:
    """Return a slow random movement [T, 3] of about `size`."""
    return np.stack([drift(rng, times, size, 4.0, fastest) for _ in range(3)], -1)


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw a number from a log-uniform distribution."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def unit(vector: Array) -> Array:
    """Return vectors [..., 3] scaled to length one."""
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def direction(azimuth: Array | float, elevation: Array | float) -> Array:
    """Return unit vectors [..., 3]: azimuth 0 is ahead, π/2 to the arm's own side; elevation is up."""
    azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
    level = np.cos(elevation)
    return np.stack([level * np.cos(azimuth), np.sin(elevation), level * np.sin(azimuth)], -1)


def turned(vector: Array, axis: Array, angle: Array | float) -> Array:
    """Return vectors [..., 3] turned about unit `axis` [..., 3] by `angle` [...] radians (Rodrigues)."""
    angle = np.asarray(angle)[..., None]
    along = (vector * axis).sum(-1, keepdims=True) * axis
    across = vector - along
    x, y, z = axis[..., 0], axis[..., 1], axis[..., 2]
    vx, vy, vz = across[..., 0], across[..., 1], across[..., 2]
    third = np.stack([y * vz - z * vy, z * vx - x * vz, x * vy - y * vx], -1)
    return along + np.cos(angle) * across + np.sin(angle) * third


def elbow_of(wrist: Array, swivel: float = 0.0) -> Array:
    """Return where a right elbow points [T, 3] for a wrist at `wrist` [T, 3] from its shoulder.

    It points backwards from a hanging arm, down from an arm that reaches ahead, outwards from a raised one; `swivel`
    radians further outwards, or inwards if negative.
    """
    way = unit(wrist)
    low, high = np.clip(-way[:, 1], 0, 1), np.clip(way[:, 1], 0, 1)
    ahead, hangs, raised = np.array([-0.15, -1.0, 0.55]), np.array([-0.85, 0.75, 0.05]), np.array([0.25, 1.0, 0.4])
    return turned(ahead + low[:, None] * hangs + high[:, None] * raised, way, -swivel)


def clear_of_body(point: Array) -> Array:
    """Return points [T, 3], those inside the trunk or the head moved to its surface."""
    point = point.copy()
    across = np.clip(1 - (point[:, 2] / _TRUNK[1]) ** 2, 0, None)
    depth = _TRUNK[0] * np.sqrt(across)
    trunk = point[:, 1] < 0.08
    ahead = trunk & (point[:, 0] > -0.12)
    point[ahead, 0] = np.maximum(point[ahead, 0], depth[ahead])
    behind = trunk & ~ahead
    point[behind, 0] = np.minimum(point[behind, 0], -depth[behind])
    away = point - _HEAD
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    return np.where(distance < _SKULL, _HEAD + away * _SKULL / np.maximum(distance, 1e-6), point)


def reach(movement: Movement, side: int, point: Array, weight: Array | float = 1.0, swivel: float = 0.0) -> None:
    """Move one wrist to `point` [T, 3] or [3], outside the body and as near as the arm reaches, in place."""
    point = clear_of_body(np.broadcast_to(point, (len(movement.poses), 3)))
    wrist = point - np.array([0.0, 0.0, HALF_WIDTH])
    wrist = wrist * np.clip(0.97 / np.maximum(np.linalg.norm(wrist, axis=-1, keepdims=True), 1e-6), None, 1.0)
    set_arm(movement.poses, side, wrist, elbow_of(wrist, swivel), weight)


def reach_across(movement: Movement, side: int, point: Array, weight: Array | float = 1.0, swivel: float = 0.0) -> None:
    """Do the same as `reach` for a point whose z is to the person's right for either arm, in place."""
    reach(movement, side, point * np.array([1.0, 1.0, 1.0 if side else -1.0]), weight, swivel)


def bones(movement: Movement, side: int, upper: Array, fore: Array, weight: Array | float = 1.0) -> None:
    """Pose one arm by the directions of its upper arm and forearm (unit vectors [T, 3], as for the right arm), in
    place."""
    wrist = UPPER * upper + (1 - UPPER) * fore
    set_arm(movement.poses, side, wrist, np.broadcast_to(upper, wrist.shape), weight)


def visits(
    rng: Rng, times: Array, stay: tuple[float, float], away: tuple[float, float], move: tuple[float, float]
) -> Array:
    """Return a curve [T] that alternates between 0 (away) and 1 (there), with random spans in seconds."""
    out = np.zeros_like(times)
    at = times[0] - rng.uniform(0.0, stay[1])
    while at < times[-1]:
        go, back, there = rng.uniform(*move), rng.uniform(*move), rng.uniform(*stay)
        out += keyed(times, (at, at + go, at + go + there, at + go + there + back), (0, 1, 1, 0))
        at += go + there + back + rng.uniform(*away)
    return out


def keyed(phase: Array, instants: Sequence[float], keys: Sequence[float] | Sequence[Sequence[float]]) -> Array:
    """Return a curve through `keys` (numbers or points [D]) at ascending `instants` of `phase` [T]: [T] or [T, D]."""
    values = np.asarray(keys, dtype=np.float64)
    out = np.broadcast_to(values[0], (len(phase), *values.shape[1:])).copy()
    for number in range(1, len(values)):
        step = smoothstep(phase, instants[number - 1], instants[number] - instants[number - 1])
        out += np.multiply.outer(step, values[number] - values[number - 1])
    return out
