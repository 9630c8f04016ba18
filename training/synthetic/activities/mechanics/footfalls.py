"""Planted feet: the path of a body, the places of its steps, and the pelvis above them.

In gaits made from curves, the feet move under the body. Here a foot stays planted in the world until it is lifted, and
the pelvis is as high as the supporting legs reach. Lengths are leg lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synthetic.activities.mechanics.contact import GRAVITY, HIP
from training.synthetic.motion.motion import CHEST, KNEES, ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import Rng, set_arm, stand_on, turn_chest, upright

_GRID = 0.04
_MARGIN = 6.0
"""Seconds before and after the sequence: the longest step, which may begin before it or end after it."""
_LEG = 0.994
"""Maximum stretch of a supporting leg."""


@dataclass(frozen=True, slots=True)
class GroundPath:
    """The path of a body: at `times` [G], `points` [G, 3] of the ground below it and `heading` [G] (radians to the
    left)."""

    times: Array
    points: Array
    heading: Array

    def at(self, times: Array) -> tuple[Array, Array]:
        """Return points [K, 3] and heading [K] at `times` [K]."""
        points = np.stack([np.interp(times, self.times, self.points[:, axis]) for axis in range(3)], -1)
        return points, np.interp(times, self.times, self.heading)


def grid(times: Array) -> Array:
    """Return the instants [G] of a sequence's path, from before its start to after its end."""
    return np.arange(times[0] - _MARGIN, times[-1] + _MARGIN, _GRID)


def ground_path(
    at: Array, speed: Array | float, heading: Array | float, aside: Array | float = 0.0, climb: float = 0.0
) -> GroundPath:
    """Return the path of a body that moves at `speed` forwards and `aside` to the right (leg lengths per second).

    `at` [G] are its instants and `heading` its heading; the ground rises by `climb` per leg length and is never below
    zero.
    """
    heading, speed = np.broadcast_to(heading, at.shape), np.broadcast_to(speed, at.shape)
    x = np.cumsum(speed * np.cos(heading) + aside * np.sin(heading)) * _GRID
    z = np.cumsum(aside * np.cos(heading) - speed * np.sin(heading)) * _GRID
    y = climb * np.cumsum(np.hypot(speed, aside)) * _GRID
    points = np.stack([x, y - y.min(), z], -1)
    return GroundPath(at, points - np.array([x[0], 0.0, z[0]]), heading)


def foot_path(times: Array, lifted: Array, landed: Array, places: Array, lift: float) -> tuple[Array, Array]:
    """Return a foot's path [T, 3] and the progress of its swing [T] (0 or 1 on the ground).

    It is at `places[k]` until `lifted[k]` and at `places[k + 1]` from `landed[k]` (both [K], rising). Short steps are
    lifted less.
    """
    index = np.clip(np.searchsorted(lifted, times, side="right") - 1, 0, len(lifted) - 1)
    swing = np.clip((times - lifted[index]) / np.maximum(landed[index] - lifted[index], 1e-3), 0.0, 1.0)
    start, end = places[index], places[index + 1]
    out = start + (swing * swing * (3 - 2 * swing))[:, None] * (end - start)
    far = np.minimum(np.linalg.norm(end - start, axis=-1) / 0.3, 1.0)
    out[:, 1] += (lift * far + 0.5 * abs(end - start)[:, 1]) * np.sin(np.pi * swing)
    return out, swing


@dataclass(slots=True)
class Gait:
    """Parameters of a gait: `cadence` cycles per second, the share `duty` of a cycle in which a foot is down, half the
    distance `width` between the feet, foot `lift`, heel lift `heel` behind, and `limp` (0 to 0.2), the share of the
    cycle by which one step comes early. Steps shorter than `reluctance` are not taken."""

    cadence: float
    duty: float = 0.62
    width: float = 0.09
    lift: float = 0.08
    heel: float = 0.12
    limp: float = 0.0
    reluctance: float = 0.0
    unsteady: float = 0.015
    sink: float = 0.0
    stairs: float = 0.0
    bounce: bool = False


@dataclass(slots=True)
class Walk:
    """Limb poses [T, 39] with planted feet, the distance of the right foot ahead of the left one [T], and the progress
    of each foot's swing [T, 2]."""

    poses: Array
    ahead: Array
    swing: Array


def walk_along(rng: Rng, times: Array, path: GroundPath, gait: Gait) -> Walk:
    """Walk, run or stand along `path`: each foot is set down where the body is in the middle of its stance."""
    tempo = 1 + 0.06 * np.sin(path.times * rng.uniform(0.4, 1.5) + rng.uniform(0, 6.28))
    clock = np.cumsum(gait.cadence * tempo) * _GRID + rng.random()
    feet, swings = np.empty((len(times), 2, 3)), np.empty((len(times), 2))
    for side, sign in ((0, -1.0), (1, 1.0)):
        late = 0.5 * side - gait.limp * side
        first = np.ceil(clock[0] - late)
        # At least two: at a slow cadence there may be no step in this time.
        numbers = np.arange(first, max(np.floor(clock[-1] - late), first + 2)) + late
        middle, lifted = (
            np.interp(numbers + gait.duty / 2, clock, path.times),
            np.interp(numbers + gait.duty, clock, path.times),
        )
        landed = np.interp(numbers[1:], clock, path.times)
        places, heading = path.at(middle)
        across = sign * gait.width + rng.normal(0, gait.unsteady, len(numbers))
        along = rng.normal(0, gait.unsteady, len(numbers))
        places[:, 0] += across * np.sin(heading) + along * np.cos(heading)
        places[:, 2] += across * np.cos(heading) - along * np.sin(heading)
        if gait.stairs:
            places[:, 1] = gait.stairs * np.round(places[:, 1] / gait.stairs)
        if gait.reluctance:
            stay_put(places, gait.reluctance)
        feet[:, side], swings[:, side] = foot_path(times, lifted[:-1], landed, places, gait.lift)
    points, heading = path.at(times)
    poses = upright(times)
    poses[:, 0:3] = points
    lean = 0.035 * (np.sin(np.pi * swings[:, 0]) - np.sin(np.pi * swings[:, 1])) * min(gait.width / 0.09, 1.5)
    poses[:, 0] += lean * np.sin(heading)
    poses[:, 2] += lean * np.cos(heading)
    ahead = plant(poses, feet, heading, swings, heel=gait.heel, sink=gait.sink)
    if gait.bounce:
        # In flight, no leg supports the body: its height is that of the middle of the steps.
        span = 0.42 * gait.duty / gait.cadence * np.hypot(*np.ptp(path.points[:, [0, 2]], axis=0)) / np.ptp(path.times)
        level = points[:, 1] + np.sqrt(max(_LEG**2 - span**2, 0.72)) - gait.sink
        poses[:, 28] -= level - poses[:, 1]
        poses[:, 31] -= level - poses[:, 1]
        poses[:, 1] = level
        # Each step throws the body up, which falls ballistically until the next leg catches it.
        step = np.interp(times, path.times, clock) * 2 % 1.0
        raise_body(poses, _flight(step, 0.5 / gait.cadence, min(2 * gait.duty, 0.95)))
    return Walk(poses, ahead, swings)


def stay_put(places: Array, reluctance: float) -> None:
    """Keep a foot at its place [K, 3] if it would be set down less than `reluctance` away, in place."""
    for number in range(1, len(places)):
        if np.linalg.norm(places[number] - places[number - 1]) < reluctance:
            places[number] = places[number - 1]


def _flight(step: Array, seconds: float, down: float) -> Array:
    """Return the body's height [T] over a step of `seconds`, the share `down` of which is spent on a foot."""
    air = (1 - down) * seconds
    speed = GRAVITY * air / 2
    stance = np.clip(step / down, 0, 1)
    fly = np.clip((step - down) / (1 - down), 0, 1)
    return speed * down * seconds * (stance * stance - stance) + 0.5 * GRAVITY * air * air * fly * (1 - fly)


def raise_body(poses: Array, height: Array) -> None:
    """Raise the whole body with its feet where `height` [T] is positive, and lower only the pelvis elsewhere, in
    place."""
    sink = np.minimum(height, 0.0)
    poses[:, 1] += height
    for side in (0, 1):
        poses[:, 28 + 3 * side] -= sink


def plant(
    poses: Array, feet: Array, heading: Array, swings: Array, *, heel: float = 0.0, sink: Array | float = 0.0,
    turned: float = 0.14, roll: Array | float = 0.0,
) -> Array:  # fmt: skip
    """Stand a body on its feet [T, 2, 3], in place, and return how far the right foot is ahead.

    The pelvis, whose horizontal place is given, turns to `heading` [T] and is as high as the supporting legs reach,
    less `sink`.
    """
    forward = np.stack([np.cos(heading), -np.sin(heading)], -1)
    right = np.stack([np.sin(heading), np.cos(heading)], -1)
    offset = feet[:, :, [0, 2]] - poses[:, None, [0, 2]]
    ahead = (offset * forward[:, None]).sum(-1)
    behind = np.clip((-ahead - 0.15) / 0.35, 0, 1) ** 2
    for side in (0, 1):  # the foot rolls over its toes behind the body
        feet[:, side, 1] += heel * behind[:, side]
        rolled = 1.2 * heel * behind[:, side : side + 1] * forward
        feet[:, side, [0, 2]] += rolled
        offset[:, side] += rolled
    reach = np.empty((len(poses), 2))
    for side, sign in ((0, -1.0), (1, 1.0)):
        out = offset[:, side] - sign * HIP * right
        reach[:, side] = feet[:, side, 1] + np.sqrt(np.maximum(_LEG**2 - (out * out).sum(-1), 0.2))
    carries = (1 - 0.98 * np.sin(np.pi * swings)) * (1 - 0.7 * behind)
    # High up a long climb the exponential underflows: there, take the height from the lower foot.
    base = np.where(reach.min(1) > 5, reach.min(1), 0.0)
    low = -np.log((carries * np.exp(-30 * (reach - base[:, None]))).sum(1) / carries.sum(1)) / 30
    poses[:, 1] = low + base - sink
    twist = turned * (ahead[:, 1] - ahead[:, 0])
    poses[:, ROOT] = quaternion_multiply(
        axis_rotation(1, heading + twist), axis_rotation(0, np.broadcast_to(roll, len(poses)))
    )
    poses[:, CHEST] = axis_rotation(1, -2.0 * twist)
    poses[:, KNEES] = np.array([1.0, 0.0, -0.12, 1.0, 0.0, 0.12])
    stand_on(poses, feet)
    return ahead[:, 1] - ahead[:, 0]


def bend_arm(
    poses: Array, side: int, raised: Array | float, spread: Array | float, elbow: Array | float,
    inward: Array | float = 0.0, weight: Array | float = 1.0,
) -> None:  # fmt: skip
    """Set an arm by its joint angles (radians, [T]), in place: the upper arm `raised` forwards from hanging and
    `spread` sideways, the `elbow` bent, and the forearm turned `inward` in front of the body."""
    count = len(poses)
    raised, spread, elbow, inward = (np.broadcast_to(one, (count,)) for one in (raised, spread, elbow, inward))

    def pointing(up: Array, side_by: Array) -> Array:
        return np.stack([np.sin(up) * np.cos(side_by), -np.cos(up) * np.cos(side_by), np.sin(side_by)], -1)

    upper = pointing(raised, spread)
    fore = pointing(raised + elbow * np.cos(inward), spread - elbow * np.sin(inward))
    reach = 0.55 * upper + 0.45 * fore
    back = upper - 0.9 * reach + 0.02 * np.array([-1.0, 0.0, 0.5])
    set_arm(poses, side, reach, 4 * back, weight)


def swing_arms(
    rng: Rng, walk: Walk, size: float, elbow: float, *, sides: tuple[int, ...] = (0, 1), spread: float = 0.12
) -> None:
    """Swing each arm with the foot of the other side, in place."""
    for side in sides:
        sign = 1.0 if side == 0 else -1.0
        raised = rng.normal(0.02, 0.06) - 0.4 * elbow * 0.5 + sign * size * walk.ahead
        bent = np.maximum(elbow + rng.normal(0, 0.08) + 0.5 * size * sign * walk.ahead, 0.08)
        bend_arm(walk.poses, side, raised, spread + rng.normal(0, 0.04), bent, 0.25 * min(elbow, 1.2))


def lean_forwards(poses: Array, pitch: Array | float, roll: Array | float = 0.0) -> None:
    """Bend the chest forwards and to the right (radians), in place, in addition to its rotation."""
    turn_chest(poses, pitch, 0.0, roll)
