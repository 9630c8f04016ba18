"""Picking up: with straight legs, in a lunge, to the side, from a table, on one leg, seated.

The body bends just far enough for the hand to reach the object. Points are in the world in leg lengths.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.activities.floor.crouch_and_sit import sit_on_chair
from training.synthetic.activities.mechanics.contact import (
    ARM,
    FLOOR,
    keep_above_floor,
    put_foot,
    put_hand,
    shoulder,
    wrist,
)
from training.synthetic.activities.mechanics.events import event_labels, event_start
from training.synthetic.activities.standing.standing import stance
from training.synthetic.activities.throwing.throwing import in_chest_frame
from training.synthetic.motion.motion import ANKLES, ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    TAG_INDEX,
    Held,
    Maker,
    Movement,
    Prop,
    Rng,
    Style,
    arms_at_rest,
    let_go,
    set_arm,
    smoothstep,
    turn_chest,
    turn_head,
    upright,
)
from training.synthetic.motion.reaching import keyed, reach

Bend = Callable[[Array, Array], None]
"""(limb poses [T, 39], depth [T] from 0 upright to 1 lowest): bend the body in place."""
Draw = Callable[[Rng], tuple[Bend, Array]]
"""Draw one person's way of bending, and the object's place [3]."""


def _fold(poses: Array, angle: Array, share: float) -> None:
    """Bend forwards by `angle` [T], `share` of it at the hips and the rest in the back, in place."""
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -share * angle))
    turn_chest(poses, (1 - share) * angle)


def hinge(rng: Rng) -> tuple[Bend, Array]:
    """Bend at the hips, legs nearly straight, feet together or apart."""
    most, share, give, width = (
        rng.uniform(1.7, 2.2),
        rng.uniform(0.4, 0.75),
        rng.uniform(0.0, 0.12),
        rng.uniform(0.06, 0.3),
    )

    def bend(poses: Array, depth: Array) -> None:
        poses[:, 0] -= 0.22 * depth
        poses[:, 1] -= (give + 0.6 * width**2) * depth
        _fold(poses, most * depth, share)
        for side, sign in ((0, -1.0), (1, 1.0)):
            put_foot(poses, side, np.array([0.0, 0.0, sign * width]), (1.0, 0.1, 0.2))

    return bend, np.array([rng.uniform(0.15, 0.45), 0.0, rng.uniform(-0.15, 0.3)])


def crouching(rng: Rng) -> tuple[Bend, Array]:
    """Bend the knees deeply on flat, separate feet, the back upright or bent."""
    level, pitch, width, out = (
        rng.uniform(0.24, 0.5),
        rng.uniform(0.3, 1.3),
        rng.uniform(0.1, 0.28),
        rng.uniform(0.2, 0.8),
    )

    def bend(poses: Array, depth: Array) -> None:
        poses[:, 1] += (level - 0.98) * depth
        poses[:, 0] -= 0.16 * depth
        _fold(poses, pitch * depth, 0.5)
        for side, sign in ((0, -1.0), (1, 1.0)):
            put_foot(poses, side, np.array([0.0, 0.0, sign * width]), (1.0, 0.2, out))

    return bend, np.array([rng.uniform(0.2, 0.5), 0.0, rng.uniform(-0.1, 0.25)])


def lunging(rng: Rng) -> tuple[Bend, Array]:
    """Step ahead with one foot, which takes the weight; the other leg stays stretched behind."""
    step, level, pitch = rng.uniform(0.3, 0.6), rng.uniform(0.45, 0.6), rng.uniform(1.0, 1.6)
    lead = int(rng.integers(2))

    def bend(poses: Array, depth: Array) -> None:
        poses[:, 1] += (level - 0.98) * depth
        poses[:, 0] += 0.5 * step * depth
        _fold(poses, pitch * depth, 0.4)
        for side, sign in ((0, -1.0), (1, 1.0)):
            foot = np.zeros((len(poses), 3)) + np.array([0.0, 0.0, sign * 0.12])
            if side == lead:
                foot[:, 0] += step * np.minimum(1.6 * depth, 1.0)
                foot[:, 1] += 0.2 * np.clip(depth * (0.6 - depth), 0, None)
            else:
                foot[:, 0] -= 0.12 * depth
                foot[:, 1] += 0.1 * depth
            put_foot(poses, side, foot, (1.0, 0.1, 0.15))

    return bend, np.array([step + rng.uniform(-0.1, 0.2), 0.0, rng.uniform(-0.1, 0.35)])


def aside(rng: Rng) -> tuple[Bend, Array]:
    """Bend the trunk to the right with soft knees; one hand goes down beside the foot."""
    roll, pitch, give = rng.uniform(0.7, 1.2), rng.uniform(0.1, 0.8), rng.uniform(0.15, 0.5)

    def bend(poses: Array, depth: Array) -> None:
        poses[:, 1] -= give * depth
        poses[:, 2] -= 0.05 * depth
        poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(0, 0.4 * roll * depth))
        turn_chest(poses, pitch * depth, -0.4 * depth, 0.6 * roll * depth)
        for side, sign in ((0, -1.0), (1, 1.0)):
            put_foot(poses, side, np.array([0.0, 0.0, sign * 0.16]), (1.0, 0.1, 0.4))

    return bend, np.array([rng.uniform(-0.05, 0.3), 0.0, rng.uniform(0.4, 0.75)])


def on_one_leg(rng: Rng) -> tuple[Bend, Array]:
    """Bend over one leg while the other swings up behind for balance."""
    most, swing = rng.uniform(1.5, 1.9), rng.uniform(0.3, 0.8)

    def bend(poses: Array, depth: Array) -> None:
        poses[:, 0] -= 0.08 * depth
        poses[:, 1] -= 0.12 * depth
        poses[:, 2] += 0.08 * depth
        _fold(poses, most * depth, 0.65)
        put_foot(poses, 1, np.array([0.0, 0.0, 0.1]), (1.0, 0.1, 0.1))
        behind = np.stack([-0.9 * swing * depth, 0.7 * swing * depth**2, 0 * depth - 0.1], -1)
        put_foot(poses, 0, behind, (1.0, -0.5, 0.1))

    return bend, np.array([rng.uniform(0.25, 0.5), 0.0, rng.uniform(-0.1, 0.2)])


def from_a_table(rng: Rng) -> tuple[Bend, Array]:
    """Pick up from the height of a stool, table or shelf, with little bend."""
    most, give = rng.uniform(0.6, 1.3), rng.uniform(0.0, 0.25)

    def bend(poses: Array, depth: Array) -> None:
        poses[:, 0] -= 0.1 * depth
        poses[:, 1] -= give * depth
        _fold(poses, most * depth, 0.45)
        for side, sign in ((0, -1.0), (1, 1.0)):
            put_foot(poses, side, np.array([0.0, 0.0, sign * 0.13]), (1.0, 0.1, 0.2))

    return bend, np.array([rng.uniform(0.35, 0.65), rng.uniform(0.3, 0.85), rng.uniform(-0.2, 0.45)])


def seated(rng: Rng) -> tuple[Bend, Array]:
    """Lean down from a chair to an object in front of or beside it."""
    most, roll = rng.uniform(1.0, 1.5), rng.uniform(0.0, 0.6)

    def bend(poses: Array, depth: Array) -> None:
        turn_chest(poses, most * depth, -0.3 * roll * depth, roll * depth)

    return bend, np.array([rng.uniform(0.4, 0.7) - 0.2 * roll, rng.uniform(0.0, 0.25), 0.15 + 0.6 * roll])


def _required_depth(rest: Array, bend: Bend, place: Array, sides: tuple[int, ...]) -> float:
    """Return the smallest depth at which the hand reaches `place` from a pose [39] at rest, or the one that comes
    closest."""
    depths = np.linspace(0.1, 1.0, 19)
    poses = np.repeat(rest[None], len(depths), 0)
    bend(poses, depths)
    far = np.max([np.linalg.norm(place - shoulder(poses, side), axis=-1) for side in sides], 0)
    near = far < 0.93 * ARM
    return float(depths[np.argmax(near)] if near.any() else depths[np.argmin(far)])


# Where a hand takes the object afterwards (points of `training.synthetic.motion.reaching`).
_AFTER = (
    (0.45, -0.4, 0.15),
    (0.1, -0.93, 0.45),
    (0.35, -0.15, 0.2),
    (0.12, -0.7, 0.44),
    (0.6, 0.0, 0.3),
    (0.4, 0.2, 0.2),
)


def pick_up_with(draw: Draw, both_share: float = 0.3, rest_action: str = "stand") -> Maker:
    """Bend, take hold of an object and come up with it; `rest_action` is the action before and after."""

    def make(rng: Rng, times: Array) -> Movement:
        movement = sit_on_chair(rng, times) if rest_action == "sit" else stance(rng, times, 0.13, 0.3)
        if rest_action != "sit":
            arms_at_rest(rng, movement, times)
        both = rng.random() < both_share
        sides = (0, 1) if both else (1,)
        down, grasp, up = rng.uniform(0.45, 1.4), rng.uniform(0.08, 0.7), rng.uniform(0.45, 1.5)
        start = event_start(rng, times, down + grasp + up)
        taken, end = start + down + 0.5 * grasp, start + down + grasp + up
        bend, place = draw(rng)
        name = "box" if both else str(rng.choice(["ball", "cup", "bottle", "bag", "phone", "dumbbell", "stick"]))
        if place[1] < 0.3 or rest_action == "sit":
            place = place + np.array([0.0, FLOOR + (0.16 if both else rng.uniform(0.05, 0.2)), 0.0])
        if both:
            place[2] = 0.0
        # The object's place moves with the person, whose small steps end before the reach.
        rest = movement.poses[int(np.clip(np.searchsorted(times, taken), 0, len(times) - 1))]
        still = smoothstep(times, start - 0.8, 0.7)[:, None]
        movement.poses[:, :3] += still * (np.array([0.0, rest[1], 0.0]) - movement.poses[:, :3])
        base = upright(np.zeros(1))[0] if rest_action != "sit" else rest * np.r_[0.0, 1.0, 0.0, np.ones(36)]
        depth = _required_depth(base, bend, place, sides) * (
            smoothstep(times, start, down) - smoothstep(times, end - up, up)
        )
        standing = movement.poses[:, ANKLES].copy()
        bend(movement.poses, depth)
        early = 1 - smoothstep(times, start - 0.8, 0.7)[:, None]
        movement.poses[:, ANKLES] += early * (standing - movement.poses[:, ANKLES])
        _hands(rng, movement, times, place, (start, taken, end), sides)
        if not both:
            free = np.minimum(depth * 1.5, 1.0)
            if rng.random() < 0.5:  # dangles
                below = ARM * np.array([rng.uniform(-0.2, 0.3), -0.85, -rng.uniform(0.0, 0.3)])
                put_hand(movement.poses, 0, shoulder(movement.poses, 0) + below, (-0.7, -0.1, 0.6), free)
            else:  # on the knee, the hip, or behind
                at = np.array([rng.uniform(-0.1, 0.45), rng.uniform(-0.85, -0.6), 0.15])
                set_arm(movement.poses, 0, at, np.array([-0.6, -0.1, 0.8]), free)
        turn_head(movement.poses, 0.3 * depth, 0.0)
        keep_above_floor(movement.poses)
        _add_object(movement, times, name, "both" if both else "right", taken)
        _tags(movement, times, (start, taken, end), sides, rest_action)
        movement.action = "pick_up"
        movement.labels = event_labels(times, rest_action, "pick_up", "carry" if both else rest_action, start, end)
        return movement

    return make


def _hands(
    rng: Rng,
    movement: Movement,
    times: Array,
    place: Array,
    instants: tuple[float, float, float],
    sides: tuple[int, ...],
) -> None:
    """Reach for the object and move it to its final place."""
    start, taken, end = instants
    before = rng.uniform(0.0, 0.5) * (taken - start)
    there = smoothstep(times, start + before, taken - start - before)
    lift = keyed(times, (taken, taken + rng.uniform(0.5, 1.0) * (end - taken)), (0, 1))
    wide = rng.uniform(0.14, 0.24)
    after = np.array(_AFTER[0 if len(sides) == 2 else int(rng.integers(len(_AFTER)))]) + rng.normal(0, 0.05, 3)
    for side in (0, 1):
        let_go(movement, side, smoothstep(times, start - 0.3, 0.3))
    for side in sides:
        at = place + np.array([0.0, 0.0, (wide if side else -wide) * (len(sides) == 2)])
        put_hand(movement.poses, side, at, (-0.6, -0.2, 1.0), there)
        reach(movement, side, after, lift)


def _add_object(movement: Movement, times: Array, name: str, held: Held, taken: float) -> None:
    """Leave the object where the hand takes it until then, and hold it from then on."""
    at = int(np.clip(np.searchsorted(times, taken), 0, len(times) - 1))
    hands = [wrist(movement.poses, side)[at] for side in (0, 1)]
    where = 0.5 * (hands[0] + hands[1]) if held == "both" else hands[1]
    has = (times >= taken).astype(float)
    if taken > times[0]:
        lying = in_chest_frame(movement.poses, np.broadcast_to(where, (len(times), 3)))
        movement.props.append(Prop(name, "free", 1 - has, lying, thing=0))
    movement.props.append(Prop(name, held, has, thing=0))


def _tags(
    movement: Movement, times: Array, instants: tuple[float, float, float], sides: tuple[int, ...], rest_action: str
) -> None:
    start, taken, end = instants
    for side in sides:
        movement.tags[:, TAG_INDEX["grab_l"] + side] = (times > taken - 0.3) & (times < taken + 0.4)
        column = TAG_INDEX["carry_l" if len(sides) == 2 else "hold_l"] + side
        movement.tags[:, column] = np.maximum(movement.tags[:, column], times >= taken + 0.4)
    if rest_action == "stand":
        movement.tags[:, TAG_INDEX["stand"]] = (times < start + 0.15) | (times > end - 0.15)


STYLES: tuple[Style, ...] = (
    Style("pick_up", "hinge", pick_up_with(hinge), 1.0, source="reaching down"),
    Style("pick_up", "crouching", pick_up_with(crouching, 0.5), 1.0, source="reaching down"),
    Style("pick_up", "lunging", pick_up_with(lunging, 0.2), 0.9, source="reaching down"),
    Style("pick_up", "aside", pick_up_with(aside, 0.0), 0.8, source="reaching down"),
    Style("pick_up", "on_one_leg", pick_up_with(on_one_leg, 0.0), 0.4, source="reaching down"),
    Style("pick_up", "from_a_table", pick_up_with(from_a_table, 0.4), 0.8, source="reaching down"),
    Style("pick_up", "seated", pick_up_with(seated, 0.1, "sit"), 0.4, source="reaching down"),
)
