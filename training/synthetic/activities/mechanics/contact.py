"""Contact with the floor: positions of joints, limbs put at points or angles, interpolation of poses.

Functions on limb poses [T, 39]. Points are in the world in leg lengths, y up. Heights in limb poses count from a
standing ankle, so the floor is at `FLOOR`; the sizes are those of an average person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.synthetic.motion.motion import (
    ANKLES,
    CHEST,
    ELBOWS,
    KNEES,
    NECK,
    POSITION,
    ROOT,
    WRISTS,
    Array,
    axis_rotation,
    blend,
    conjugate,
    quaternion_multiply,
    rotate,
)
from training.synthetic.motion.movement import smoothstep, upright

FLOOR = -0.081
TORSO, SHOULDER, HIP, ARM = 0.59, 0.234, 0.125, 0.672
THIGH = 0.499
HAND = FLOOR + 0.05
"""Height of a wrist whose hand lies on the floor."""
GRAVITY = 9.81 / 0.835
"""Leg lengths per second squared."""
PRONE, SUPINE = np.pi / 2, -np.pi / 2


def pitched(times: Array, height: Array | float, pitch: Array | float, bend: Array | float = 0.0) -> Array:
    """Return limb poses [T, 39] with a trunk `pitch` radians forward of upright (`PRONE`: face down), the pelvis at
    `height`, and the chest pitched `bend` more."""
    poses = upright(times)
    poses[:, 1] = height
    poses[:, ROOT] = axis_rotation(2, np.broadcast_to(-np.asarray(pitch), times.shape))
    poses[:, CHEST] = axis_rotation(2, np.broadcast_to(-np.asarray(bend), times.shape))
    return poses


def chest_rotation(poses: Array) -> Array:
    """Return the chest's rotation in the world [T, 4]."""
    return quaternion_multiply(poses[:, ROOT], poses[:, CHEST])


def between_shoulders(poses: Array) -> Array:
    """Return the midpoint of the shoulders [T, 3]."""
    middle = poses[:, POSITION] + rotate(poses[:, ROOT], np.array([0.0, 0.49 * TORSO, 0.0]))
    return middle + rotate(chest_rotation(poses), 0.51 * TORSO * np.array([-0.05, 1.0, 0.0]))


def shoulder(poses: Array, side: int) -> Array:
    """Return the position of one shoulder [T, 3]."""
    across = np.array([0.0, 0.0, SHOULDER if side else -SHOULDER])
    return between_shoulders(poses) + rotate(chest_rotation(poses), across)


def hip(poses: Array, side: int) -> Array:
    """Return the position of one hip joint [T, 3]."""
    return poses[:, POSITION] + rotate(poses[:, ROOT], np.array([0.0, 0.0, HIP if side else -HIP]))


def wrist(poses: Array, side: int) -> Array:
    """Return the position of one wrist [T, 3]."""
    columns = slice(WRISTS.start + 3 * side, WRISTS.start + 3 * side + 3)
    return shoulder(poses, side) + ARM * rotate(chest_rotation(poses), poses[:, columns])


def put_hand(poses: Array, side: int, point: Array, elbow: Sequence[float], weight: Array | float = 1.0) -> None:
    """Move a wrist to `point` [T, 3] or [3], as near as the arm reaches, in place.

    The elbow points to `elbow` [3] in the world, given as for the right arm.
    """
    _put(
        poses,
        side,
        WRISTS,
        ELBOWS,
        conjugate(chest_rotation(poses)),
        (point - shoulder(poses, side)) / ARM,
        elbow,
        weight,
    )


def put_foot(poses: Array, side: int, point: Array, knee: Sequence[float], weight: Array | float = 1.0) -> None:
    """Move an ankle to `point` [T, 3] or [3], in place.

    The knee points to `knee` [3] in the world, given as for the right leg.
    """
    _put(poses, side, ANKLES, KNEES, conjugate(poses[:, ROOT]), point - hip(poses, side), knee, weight)


def bend_leg(poses: Array, side: int, hip: Array | float, knee: Array | float, out: Array | float = 0.0) -> None:
    """Flex a hip and a knee by radians, in place; `out` moves the thigh sideways."""
    hip, knee, out = np.broadcast_arrays(np.asarray(hip, float), np.asarray(knee, float), np.asarray(out, float))
    shin = hip - knee
    ahead = THIGH * np.sin(hip) + (1 - THIGH) * np.sin(shin)
    down = THIGH * np.cos(hip) + (1 - THIGH) * np.cos(shin)
    sign = 1.0 if side else -1.0
    ankle = np.stack([ahead, -down * np.cos(out), sign * down * np.sin(out)], -1)
    pole = np.stack([np.cos(hip), np.sin(hip) * np.cos(out), sign * (0.05 + np.sin(out))], -1)
    poses[:, ANKLES.start + 3 * side : ANKLES.start + 3 * side + 3] = ankle
    poses[:, KNEES.start + 3 * side : KNEES.start + 3 * side + 3] = pole


def _put(
    poses: Array, side: int, ends: slice, poles: slice, to_body: Array, way: Array, pole: Sequence[float],
    weight: Array | float,
) -> None:  # fmt: skip
    way = way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True) / 0.985, 1.0)
    share = np.broadcast_to(weight, (len(poses),))[:, None]
    direction = np.array(pole) * np.array([1.0, 1.0, 1.0 if side else -1.0])
    for part, value in ((ends, rotate(to_body, way)), (poles, rotate(to_body, direction))):
        columns = slice(part.start + 3 * side, part.start + 3 * side + 3)
        poses[:, columns] += share * (value - poses[:, columns])


def pose_path(times: Array, instants: Sequence[float], keys: Sequence[Array]) -> Array:
    """Return limb poses [T, 39] that pass through `keys` ([39] each) at `instants` (rising seconds), smoothly between
    them and still before and after."""
    out = np.repeat(keys[0][None], len(times), 0)
    for number in range(1, len(keys)):
        weight = smoothstep(times, instants[number - 1], instants[number] - instants[number - 1])
        out = blend(out, np.broadcast_to(keys[number], out.shape), weight)
    return out


def eased(times: Array, instants: Sequence[float], values: Sequence[float]) -> Array:
    """Return a curve [T] through `values` at `instants`, interpolated like `pose_path`."""
    out = np.full_like(times, values[0])
    for number in range(1, len(values)):
        step = smoothstep(times, instants[number - 1], instants[number] - instants[number - 1])
        out += (values[number] - values[number - 1]) * step
    return out


def lowest(poses: Array) -> Array:
    """Return the height [T] of the lowest point of head, trunk and legs above the floor, less their thickness.

    Arms do not count, because `keep_above_floor` moves them separately.
    """
    head = quaternion_multiply(chest_rotation(poses), poses[:, NECK])
    neck = between_shoulders(poses)
    heights = [(neck + rotate(head, np.array([0.1, 0.2, 0.0])))[:, 1] - 0.13, poses[:, 1] - 0.11]
    for side in (0, 1):
        legs = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
        knees = slice(KNEES.start + 3 * side, KNEES.start + 3 * side + 3)
        knee = middle(poses[:, legs], poses[:, knees], THIGH)
        ends = rotate(poses[:, ROOT], np.stack([poses[:, legs], knee]))[..., 1] + hip(poses, side)[:, 1]
        heights += [ends[0] - 0.05, ends[1] - 0.06, shoulder(poses, side)[:, 1] - 0.09]
    return np.min(heights, 0) - FLOOR


def middle(end: Array, pole: Array, upper: float) -> Array:
    """Return the middle joint [T, 3] of a limb of length 1 whose upper bone has the length `upper`."""
    distance = np.maximum(np.linalg.norm(end, axis=-1, keepdims=True), 1e-6)
    along = end / distance
    across = pole - (pole * along).sum(-1, keepdims=True) * along
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    distance = np.minimum(distance, 0.998)
    reach = (upper**2 + distance**2 - (1 - upper) ** 2) / (2 * distance)
    return reach * along + np.sqrt(np.maximum(upper**2 - reach**2, 0.0)) * across


def rest_on_floor(poses: Array, weight: Array | float = 1.0) -> None:
    """Raise or lower the pelvis so that the lowest joint touches the floor, weighted by `weight` [T], and keep the arms
    above the floor, in place."""
    poses[:, 1] -= weight * lowest(poses)
    _lift_arms(poses)


def keep_above_floor(poses: Array) -> None:
    """Raise the pelvis where a joint would be below the floor, or the arm if only an arm would be, in place."""
    poses[:, 1] += np.maximum(-lowest(poses), 0.0)
    _lift_arms(poses)


def _lift_arms(poses: Array) -> None:
    chest = chest_rotation(poses)
    to_chest, up = conjugate(chest), np.array([0.0, 1.0, 0.0])
    for side in (0, 1):
        point = wrist(poses, side)
        low = point[:, 1] < FLOOR + 0.04
        wrists = slice(WRISTS.start + 3 * side, WRISTS.start + 3 * side + 3)
        elbows = slice(ELBOWS.start + 3 * side, ELBOWS.start + 3 * side + 3)
        if low.any():
            point[low, 1] = FLOOR + 0.04
            way = rotate(to_chest[low], (point - shoulder(poses, side))[low]) / ARM
            poses[low, wrists] = way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True) / 0.985, 1.0)
        bent = middle(poses[:, wrists], poses[:, elbows], 0.55)
        low = (shoulder(poses, side) + ARM * rotate(chest, bent))[:, 1] < FLOOR + 0.05
        if low.any():
            poses[low, elbows] += 1.5 * rotate(to_chest[low], up)


def standing_pose() -> Array:
    """Return one standing limb pose [1, 39] as the start of a key pose."""
    return upright(np.zeros(1))
