"""Random cameras: viewpoint, size and cropping of a batch of N people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.movement import Rng
from training.synthetic.motion.skeleton import HIPS

Array = NDArray[np.float64]
SMALLEST, LARGEST = 24.0, 500.0
"""Heights of people in pixels of the detector's picture. A street at 512x384 has people of 27 to 80."""


@dataclass(frozen=True, slots=True)
class View:
    """The views of N cameras, each of one person, over T steps.

    `points` [N, T, 17, 2] pixels, x right and y down; `depth` [N, T, 17] metres; `stature` [N, T] the person's standing
    height in pixels at their distance; `facing` [N, T] cosine between the chest's forward direction and the direction
    to the camera (1: seen from the front); `side` [N, T] the same with the chest's right (1: the right side is nearer);
    `picture` [N, 4] x1, y1, x2, y2 of the picture's edges in the same pixels.
    """

    points: Array
    depth: Array
    stature: Array
    facing: Array
    side: Array
    picture: Array


def look(
    rng: Rng,
    joints: Array,
    facing: Array,
    stature: Array,
    times: Array,
    from_front: NDArray[np.bool_],
    *,
    held_out: bool,
) -> View:
    """Return the views of people through random cameras.

    `joints` [N, T, 17, 3] metres, `facing` [N, T, 3], `stature` [N] metres, `times` [N, T] seconds, `from_front` [N].
    Half of the cameras are at eye height, level to within 10°, and half look down by 10 to 45°, from as far as across a
    square; none is rolled by more than 8°. Held-out cameras look down by 45 to 55°, or by 3 to 10°, which is rare among
    training cameras at eye height.
    """
    count = len(joints)
    from_above = rng.random(count) < 0.5
    pitch = np.where(from_above, rng.uniform(10, 45, count), rng.normal(0, 4, count).clip(-8, 10))
    pixels = draw_heights(rng, count)
    distance = (10 * (120 / pixels) ** 0.8 * np.exp(rng.normal(0, 0.6, count))).clip(2.2, 80)
    if held_out:
        pitch = np.where(from_above, rng.uniform(45, 55, count), rng.uniform(3, 10, count))
    pitch = np.deg2rad(pitch)
    distance = np.maximum(distance, np.where(from_above, 4.0, 2.2))

    # The side of the person on which the camera is: mostly the front, if the movement addresses another person.
    heading = np.arctan2(-facing[..., 2].mean(1), facing[..., 0].mean(1))
    front = from_front & (rng.random(count) < 0.65)
    bearing = np.where(front, rng.normal(0, 0.6, count), rng.uniform(-np.pi, np.pi, count)) + heading
    # Walking people are seen along and across their path equally often, because the bearing is uniform.

    centre = joints[:, :, HIPS].mean(2).mean(1)
    centre[:, 1] = 0.5 * stature
    toward = np.stack([np.cos(bearing), np.zeros(count), -np.sin(bearing)], -1)
    forward = -toward * np.cos(pitch)[:, None] - np.array([0.0, 1.0, 0.0]) * np.sin(pitch)[:, None]
    right = np.cross(forward, np.broadcast_to(np.array([0.0, 1.0, 0.0]), forward.shape))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    roll = np.deg2rad(rng.normal(0, 2.0, count).clip(-8, 8))
    up = np.cross(right, forward)
    right, up = (
        right * np.cos(roll)[:, None] + up * np.sin(roll)[:, None],
        up * np.cos(roll)[:, None] - right * np.sin(roll)[:, None],
    )
    away = ((joints - centre[:, None, None]) * forward[:, None, None]).sum(-1)
    distance = np.maximum(distance, 1.3 - away.min((1, 2)))
    depth = away + distance[:, None, None]
    x = ((joints - centre[:, None, None]) * right[:, None, None]).sum(-1) / depth
    y = -((joints - centre[:, None, None]) * up[:, None, None]).sum(-1) / depth

    focal = pixels * distance / stature
    points = np.stack([x, y], -1) * focal[:, None, None, None]
    points += camera_motion(rng, times, pixels, 0.25)[:, :, None]
    to_camera = -forward
    across = np.cross(facing, np.broadcast_to(np.array([0.0, 1.0, 0.0]), facing.shape))
    picture = picture_edges(rng, points, pixels)
    # Pixels count from the picture's corner, as a detector's do; negative ones are outside the picture.
    points = points - picture[:, None, None, :2]
    picture = picture - np.tile(picture[:, :2], 2)
    return View(
        points=points,
        depth=depth,
        stature=focal[:, None] * stature[:, None] / depth[:, :, HIPS].mean(2),
        facing=(facing * to_camera[:, None]).sum(-1),
        side=(across * to_camera[:, None]).sum(-1),
        picture=picture,
    )


def draw_heights(rng: Rng, count: int) -> Array:
    """Return heights of people [N] in pixels, from `SMALLEST` to `LARGEST`.

    Most people in a street camera's picture are small, and those are the hardest; near people are few and similar.
    """
    return np.exp(np.log(SMALLEST) + rng.beta(1.0, 1.3, count) * np.log(LARGEST / SMALLEST))


def camera_motion(rng: Rng, times: Array, pixels: Array, share: float) -> Array:
    """Return the camera's motion [N, T, 2] in pixels: a `share` of cameras sways, pans slowly or is held by hand.

    `times` [N, T] are seconds, `pixels` [N] the people's heights.
    """
    count = len(times)
    kind = rng.random(count)
    sway = np.where(kind < 0.5 * share, rng.uniform(0.002, 0.02, count), 0.0) * pixels
    pan = np.where((kind >= 0.5 * share) & (kind < share), rng.normal(0, 0.12, count), 0.0) * pixels
    rate = rng.uniform(0.3, 2.0, (count, 2))
    phase = rng.uniform(0, 2 * np.pi, (count, 2))
    swing = np.sin(2 * np.pi * rate[:, None] * times[..., None] + phase[:, None])
    direction = rng.normal(0, 1, (count, 2)) * np.array([1.0, 0.3])
    return sway[:, None, None] * swing + (pan[:, None] * (times - times[:, :1]))[..., None] * direction[:, None]


def picture_edges(rng: Rng, points: Array, pixels: Array) -> Array:
    """Return the edges [N, 4] of pictures of people with joints [N, T, 17, 2] and heights [N] in pixels.

    Most show the whole person; others cut off legs, a side or the body.
    """
    count = len(points)
    low, high = points.min((1, 2)), points.max((1, 2))
    edges = np.concatenate([low, high], -1)
    edges[:, :2] -= (rng.uniform(0.1, 2.0, (count, 2)) * pixels[:, None]) + 0.1 * pixels[:, None]
    edges[:, 2:] += (rng.uniform(0.1, 2.0, (count, 2)) * pixels[:, None]) + 0.1 * pixels[:, None]
    last = points[:, -1]
    tall = last[..., 1].max(1) - last[..., 1].min(1)
    kind = rng.random(count)
    legs_out = kind < np.where(pixels < 150, 0.09, 0.22)
    # Three in a hundred show only head and shoulders, as in front of a screen or a door.
    cut = (
        last[..., 1].min(1)
        + np.where(kind < 0.03, rng.uniform(0.12, 0.26, count), rng.uniform(0.45, 0.95, count)) * tall
    )
    edges[:, 3] = np.where(legs_out, cut, edges[:, 3])
    side_out = rng.random(count) < 0.07
    left = rng.random(count) < 0.5
    line = last[..., 0].min(1) + rng.uniform(0.1, 0.6, count) * (last[..., 0].max(1) - last[..., 0].min(1))
    edges[:, 0] = np.where(side_out & left, line, edges[:, 0])
    edges[:, 2] = np.where(side_out & ~left, line, edges[:, 2])
    return edges
