"""Movements that resemble an action for moments without being one: stretching, chores, bowing, gliding, exercises.

Each style is a function (rng, times [T]) → `Movement`. Lengths are leg lengths.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import HAND, eased, keep_above_floor, pitched, put_foot, put_hand
from training.synthetic.activities.mechanics.footfalls import Gait, bend_arm, grid, ground_path, plant, walk_along
from training.synthetic.motion.motion import ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    ACTION_INDEX,
    TAG_INDEX,
    UNSURE,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    drift,
    place_arm,
    smoothstep,
    steps,
    tags_of,
    turn_chest,
    turn_head,
    upright,
)


def _other(poses: Array, *tags: str) -> Movement:
    return Movement(poses, tags_of(len(poses), *tags), "other")


def _on_two_feet(rng: Rng, times: Array, apart: float, sink: Array | float = 0.0, aside: Array | float = 0.0) -> Array:
    """Return limb poses [T, 39] over planted feet, with the pelvis `aside` to the right and lowered by `sink`."""
    poses, feet = upright(times), np.zeros((len(times), 2, 3))
    feet[:, 0, 2], feet[:, 1, 2] = -apart, apart
    poses[:, 2] = aside
    plant(poses, feet, drift(rng, times, 0.05), np.zeros((len(times), 2)), sink=sink)
    return poses


def calisthenics(rng: Rng, times: Array) -> Movement:
    """Circle the arms, clap overhead without a jump, swing the arms, bend or twist the trunk, or lunge sideways."""
    beat = 2 * np.pi * (times * rng.uniform(0.35, 1.2) + rng.random())
    wave, kind = (
        0.5 - 0.5 * np.cos(beat),
        str(rng.choice(["jack", "circle", "cross", "bend", "twist", "lunge", "touch"])),
    )
    apart = rng.uniform(0.1, 0.35)
    aside = 0.75 * apart * np.sin(beat) if kind == "lunge" else 0.0
    poses = _on_two_feet(rng, times, apart + 0.15 * (kind == "lunge"), 0.02, aside)
    for side, sign in ((0, -1.0), (1, 1.0)):
        if kind == "jack":
            bend_arm(poses, side, 0.1, 0.15 + rng.uniform(2.3, 2.85) * wave, 0.2)
        elif kind == "circle":
            bend_arm(poses, side, beat * rng.choice([1.0, 1.0, -1.0]), 0.3, 0.1)
        elif kind == "cross":
            bend_arm(poses, side, 1.4, 1.4 - 1.7 * wave, 0.2, 0.3)
        elif kind == "bend":
            bend_arm(poses, side, 0.0, np.where(sign * np.sin(beat) < 0, 2.6 * abs(np.sin(beat)), 0.2), 0.3)
        elif kind == "twist":
            bend_arm(poses, side, 1.2, 0.6, 1.6, 0.9)
        else:
            bend_arm(poses, side, 0.6 + 0.8 * wave, 0.2, 0.3)
    if kind == "bend":
        turn_chest(poses, 0.0, 0.0, rng.uniform(0.3, 0.6) * np.sin(beat))
    elif kind == "twist":
        turn_chest(poses, 0.1, rng.uniform(0.4, 0.8) * np.sin(beat), 0.0)
    elif kind == "touch":
        _bow(poses, rng.uniform(1.2, 1.9) * wave)
    return _other(poses)


def _bow(poses: Array, pitch: Array) -> None:
    """Bend at the hips by `pitch` [T], with the seat going back over planted feet, in place."""
    back = 0.16 * np.sin(np.minimum(pitch, 1.5))
    # The legs turn against the pelvis by the pelvis's own rotation.
    part = 0.6 * pitch
    c, s = np.cos(part), np.sin(part)
    for side in (0, 1):
        x, y = poses[:, 27 + 3 * side] + back, poses[:, 28 + 3 * side].copy()
        poses[:, 27 + 3 * side], poses[:, 28 + 3 * side] = x * c - y * s, y * c + x * s
    poses[:, 0] -= back
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -part))
    turn_chest(poses, pitch - part)


def stretching(rng: Rng, times: Array) -> Movement:
    """Hold one stretch after another: to a side, behind the back, over the bent trunk, a foot held behind."""
    poses = _on_two_feet(rng, times, rng.uniform(0.08, 0.3), 0.01)
    on = np.clip(0.6 + steps(rng, times, 0.9, (1.5, 5.0), (0.8, 1.8)), 0, 1)
    kind = str(rng.choice(["side", "behind", "down", "quad", "across"]))
    movement = _other(poses)
    arms_at_rest(rng, movement, times)
    side = int(rng.integers(2))
    if kind == "down":
        _bow(poses, rng.uniform(1.0, 1.8) * on)
    if kind == "side":
        turn_chest(poses, 0.0, 0.0, rng.uniform(0.25, 0.5) * on * (-1.0 if side else 1.0))
    for arm in (0, 1):
        raised, spread, elbow, inward = {
            "side": (0.1, 2.7, 0.5, 0.0) if arm == side else (0.0, 0.2, 0.9, -0.5),
            "behind": (-0.7, 0.1, 0.2, 0.0),
            "down": (1.2, 0.05, 0.1, 0.0),
            "quad": (-0.6, 0.1, 0.3, 0.0) if arm == side else (1.3, 0.6, 0.2, 0.0),
            "across": (1.4, -0.5, 0.1, 0.0) if arm == side else (1.2, 0.1, 1.6, 1.0),
        }[kind]
        bend_arm(poses, arm, raised + drift(rng, times, 0.05), spread, elbow, inward, on)
    if kind == "quad":
        columns = slice(27 + 3 * side, 30 + 3 * side)
        poses[:, columns] += on[:, None] * (np.array([-0.32, -0.38, 0.0]) - poses[:, columns])
    movement.tags[:, [TAG_INDEX["hold_l"], TAG_INDEX["hold_r"]]] = 0.0
    movement.tags[:, TAG_INDEX["stand"]] = on < 0.1
    movement.props = []
    return movement


def chores(rng: Rng, times: Array) -> Movement:
    """Move the hands to and fro at work: sweep, rake, wipe, dig, scrub a floor on the knees, weed."""
    kind = str(rng.choice(["sweep", "dig", "wipe", "scrub", "weed"]))
    beat = 2 * np.pi * (times * rng.uniform(0.4, 1.3) + drift(rng, times, 0.15, 5.0, 2.0) + rng.random())
    wave = np.sin(beat)
    if kind in ("scrub", "weed"):
        pitch = rng.uniform(0.7, 1.3)
        poses = pitched(times, rng.uniform(0.3, 0.46), pitch + 0.05 * wave, 0.2)
        poses[:, 0] = 0.04 * wave
        for side, sign in ((0, -1.0), (1, 1.0)):
            put_foot(poses, side, np.array([-0.42, -0.02, sign * 0.12]), (0.6, -1.0, 0.0))
        rests, works = int(rng.integers(2)), rng.uniform(0.08, 0.22)
        keep_above_floor(poses)
        for side, sign in ((0, -1.0), (1, 1.0)):
            reach = np.array([0.5 + rng.normal(0, 0.05), HAND, sign * 0.18]) + np.zeros((len(times), 3))
            if side != rests or kind == "weed":
                reach[:, 0] += works * wave
                reach[:, 2] += 0.7 * works * np.cos(beat * rng.choice([1.0, 0.5]))
                reach[:, 1] += (0.12 * np.maximum(wave, 0)) if kind == "weed" else 0.0
            put_hand(poses, side, reach, (-1.0, 0.2, 0.6))
        return _other(poses)
    poses = _on_two_feet(rng, times, rng.uniform(0.12, 0.25), rng.uniform(0.0, 0.1), 0.05 * wave)
    _bow(poses, rng.uniform(0.2, 0.9) + (0.35 * wave if kind == "dig" else 0.05 * wave))
    high = rng.uniform(0.2, 2.2) if kind == "wipe" else 0.5
    for side in (0, 1):
        if kind == "wipe" and side == 0:
            place_arm(rng, _other(poses), side, "hang", times)
            continue
        bend_arm(
            poses, side, high + (0.35 if side else 0.2) * wave, 0.1 + 0.25 * np.cos(beat) * (kind == "wipe"),
            0.8 + 0.3 * side - 0.4 * wave, 0.5,
        )  # fmt: skip
    turn_chest(poses, 0.0, 0.3 * wave if kind == "sweep" else 0.1 * wave, 0.0)
    return _other(poses)


def bowing(rng: Rng, times: Array) -> Movement:
    """Bow deeply and come up again, or kneel, bend to the floor and straighten, as in prayer."""
    at, bow = times[0] - rng.uniform(0.0, 3.0), np.zeros_like(times)
    down, holds, up, rests = rng.uniform(0.6, 1.5), rng.uniform(0.3, 2.0), rng.uniform(0.6, 1.5), rng.uniform(0.3, 1.5)
    while at < times[-1]:
        bow += smoothstep(times, at, down) * (1 - smoothstep(times, at + down + holds, up))
        at += down + holds + up + rests
    if rng.random() < 0.5:
        poses = _on_two_feet(rng, times, rng.uniform(0.05, 0.15))
        movement = _other(poses)
        name = str(rng.choice(["praying", "hang", "clasped", "behind"]))
        for side in (0, 1):
            place_arm(rng, movement, side, name, times)
        _bow(poses, rng.uniform(0.6, 1.6) * bow)
        movement.tags[:, TAG_INDEX["stand"]] = bow < 0.05
        return movement
    poses = pitched(times, 0.2, 0.1 + 1.25 * bow, 0.3 * bow)
    poses[:, 0] = -0.15
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([-0.25, -0.02, sign * 0.1]), (1.0, 0.0, 0.1))
        bend_arm(poses, side, 0.4 + 1.9 * bow, 0.1, 0.6, 0.2)
    keep_above_floor(poses)
    movement = _other(poses)
    movement.tags[:, TAG_INDEX["crouch"]] = bow < 0.05
    # Kneeling between two bows is neither action.
    movement.labels = np.where(bow < 0.05, UNSURE, ACTION_INDEX["other"])
    return movement


def gliding(rng: Rng, times: Array) -> Movement:
    """Glide on skates, a board or a scooter: the body moves on while the legs push in turn, or one of them pushes
    back."""
    beat = times * rng.uniform(0.4, 0.9) + rng.random()
    kind = str(rng.choice(["skates", "scooter", "board"]))
    speed, heading = rng.uniform(1.5, 4.5), drift(rng, times, rng.uniform(0.1, 0.8), 12.0, 5.0)
    poses = upright(times)
    push = np.sin(2 * np.pi * beat)
    sink = rng.uniform(0.05, 0.25)
    poses[:, 1] = 0.98 - sink
    poses[:, 2] = 0.12 * push if kind == "skates" else 0.0
    for side, sign in ((0, -1.0), (1, 1.0)):
        works = np.maximum(sign * -push, 0) if kind == "skates" else np.maximum(push, 0) * (side == 1)
        place = np.stack(
            [0.02 - 0.45 * works, 0.08 * works * (works > 0.5), sign * (0.08 + 0.35 * works * (kind == "skates"))], -1
        )
        if kind == "board":
            place = np.stack([0 * push, 0 * push, sign * 0.3 + 0 * push], -1)
        put_foot(poses, side, place, (1.0, 0.0, 0.15))
    turn_chest(poses, rng.uniform(0.1, 0.7), -0.15 * push, 0.05 * push)
    for side, sign in ((0, -1.0), (1, 1.0)):
        if kind == "scooter":
            bend_arm(poses, side, 1.0, 0.15, 0.5, 0.1)
        elif kind == "board":
            bend_arm(poses, side, drift(rng, times, 0.2), 0.6 + drift(rng, times, 0.3), 0.4)
        else:
            bend_arm(poses, side, 0.2 + sign * rng.uniform(0.3, 0.8) * push, 0.25, 0.8)
    facing = heading + (np.pi / 2 if kind == "board" else 0.0)
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, facing), poses[:, ROOT])
    at = grid(times)
    points, _ = ground_path(at, speed, np.interp(at, times, heading)).at(times)
    poses[:, 0], poses[:, 2] = (
        points[:, 0] + poses[:, 2] * np.sin(heading),
        points[:, 2] + poses[:, 2] * np.cos(heading),
    )
    return _other(poses)


def pedalling(rng: Rng, times: Array) -> Movement:
    """Pedal a bicycle, moving or stationary: the feet circle below the seat, the hands hold the bar."""
    turn = 2 * np.pi * (times * rng.uniform(0.6, 1.6) + rng.random())
    pitch = rng.uniform(0.15, 0.9)
    poses = pitched(times, rng.uniform(0.98, 1.1), 0.5 * pitch, 0.5 * pitch)
    poses[:, 2] = 0.01 * np.sin(turn)
    for side, sign in ((0, -1.0), (1, 1.0)):
        angle = turn + np.pi * side
        place = np.stack([0.22 + 0.2 * np.cos(angle), 0.3 - 0.2 * np.sin(angle), 0 * turn + sign * 0.1], -1)
        put_foot(poses, side, place, (1.0, 0.3, 0.1))
        bend_arm(poses, side, 1.0 + 0.3 * pitch + drift(rng, times, 0.03), 0.15, rng.uniform(0.2, 0.7), 0.1)
    turn_head(poses, -0.5 * pitch, drift(rng, times, 0.3))
    if rng.random() < 0.5:
        at = grid(times)
        points, heading = ground_path(at, rng.uniform(2.0, 6.0), drift(rng, at, 0.5, 12.0, 5.0)).at(times)
        poses[:, 0], poses[:, 2] = points[:, 0], points[:, 2] + poses[:, 2]
        poses[:, ROOT] = quaternion_multiply(axis_rotation(1, heading), poses[:, ROOT])
    return _other(poses)


def tying_a_shoe(rng: Rng, times: Array) -> Movement:
    """Bend or kneel to a shoe, both hands at it, and come up again: crouching, without taking anything."""
    down = eased(
        times,
        tuple(times[0] + rng.uniform(-2.0, 1.0) + np.cumsum([0.0, 0.9, rng.uniform(1.5, 6.0), 0.9])),
        (0.0, 1.0, 1.0, 0.0),
    )
    poses = pitched(times, 0.98 - rng.uniform(0.35, 0.6) * down, 0.6 * down, 0.6 * down)
    poses[:, 0] = -0.2 * down
    ahead = int(rng.integers(2))
    for side, sign in ((0, -1.0), (1, 1.0)):
        place = np.stack(
            [0.25 * down * (1 if side == ahead else -1), 0.06 * down * (side != ahead), 0 * down + sign * 0.1], -1
        )
        put_foot(poses, side, place, (1.0, 0.2, 0.2))
    shoe = np.array([0.3, 0.02, 0.1 if ahead else -0.1])
    for side in (0, 1):
        work = np.stack([drift(rng, times, 0.03, 2.0, 0.5) for _ in range(3)], -1)
        put_hand(poses, side, shoe + work, (-0.6, 0.2, 0.8), down)
    movement = Movement(poses, tags_of(len(poses)), "crouch")
    movement.tags[:, TAG_INDEX["stand"]] = down < 0.2
    movement.tags[:, TAG_INDEX["crouch"]] = down > 0.5
    return movement


def stepping_over(rng: Rng, times: Array) -> Movement:
    """Step high and slowly over obstacles, arms out, always with a foot on the ground: walking."""
    at = grid(times)
    gait = Gait(rng.uniform(0.35, 0.6), 0.62, rng.uniform(0.07, 0.14), rng.uniform(0.22, 0.4), 0.1, unsteady=0.03)
    walk = walk_along(rng, times, ground_path(at, rng.uniform(0.3, 0.7), drift(rng, at, 0.3)), gait)
    spread = rng.uniform(0.2, 1.2)
    for side in (0, 1):
        bend_arm(walk.poses, side, drift(rng, times, 0.2), spread + drift(rng, times, 0.2), rng.uniform(0.1, 0.8))
    turn_chest(walk.poses, rng.uniform(0.0, 0.3), drift(rng, times, 0.1), drift(rng, times, 0.1))
    turn_head(walk.poses, rng.uniform(0.1, 0.5), 0.0)
    return Movement(walk.poses, tags_of(len(times), "step"), "walk")


STYLES: tuple[Style, ...] = (
    Style("other", "calisthenics", calisthenics, 1.2, source="near misses"),
    Style("other", "stretching", stretching, 0.8, source="near misses"),
    Style("other", "chores", chores, 1.2, source="near misses"),
    Style("other", "bowing", bowing, 0.6, source="near misses"),
    Style("other", "gliding", gliding, 0.7, source="near misses"),
    Style("other", "pedalling", pedalling, 0.5, source="near misses"),
    Style("crouch", "tying_a_shoe", tying_a_shoe, 0.7),
    Style("walk", "stepping_over", stepping_over, 0.25, source="footfalls"),
)
