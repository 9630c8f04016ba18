"""Crawling and push-ups on planted hands, knees and feet.

Each style is a function (rng, times [T]) → `Movement`. Lengths are leg lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synthetic.activities.floor.exercising import repeats
from training.synthetic.activities.mechanics.contact import (
    ARM,
    FLOOR,
    GRAVITY,
    HAND,
    SHOULDER,
    TORSO,
    keep_above_floor,
    pitched,
    put_foot,
    put_hand,
)
from training.synthetic.activities.mechanics.footfalls import GroundPath, foot_path, grid, ground_path
from training.synthetic.motion.motion import ANKLES, ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    Movement,
    Rng,
    Style,
    drift,
    smoothstep,
    steps,
    tags_of,
    turn_chest,
    turn_head,
)


@dataclass(frozen=True, slots=True)
class _Limb:
    """A limb that bears weight: a hand, or a foot with the leg on the floor; its side; its phase of contact in the
    cycle; its place under the body (forwards, outwards), height and lift; the direction of its elbow or knee."""

    hand: bool
    side: int
    phase: float
    along: float
    out: float
    level: float
    lift: float
    pole: tuple[float, float, float]


def _move_on_limbs(
    rng: Rng, times: Array, poses: Array, path: GroundPath, cadence: float, share: float, limbs: list[_Limb]
) -> None:
    """Move a body that heads along x along `path`, in place; each limb bears weight for `share` of a cycle. Hands come
    last in `limbs`."""
    clock = np.cumsum(np.full_like(path.times, cadence)) * (path.times[1] - path.times[0]) + rng.random()
    centre, heading = path.at(times)
    cos, sin = np.cos(heading), np.sin(heading)
    for limb in limbs:
        if limb.hand and limb.side == 0:
            keep_above_floor(poses)  # raised by the knees; hands are put down after that
        first = np.ceil(clock[0] - limb.phase)
        # At least two: a slow crawl may plant no limb again in this time.
        numbers = np.arange(first, max(np.floor(clock[-1] - limb.phase), first + 2)) + limb.phase
        places, headings = path.at(np.interp(numbers + share / 2, clock, path.times))
        out = limb.out * (1 if limb.side else -1) + rng.normal(0, 0.015, len(numbers))
        along = limb.along + rng.normal(0, 0.015, len(numbers))
        places[:, 0] += along * np.cos(headings) + out * np.sin(headings)
        places[:, 2] += out * np.cos(headings) - along * np.sin(headings)
        lifted, landed = np.interp(numbers + share, clock, path.times), np.interp(numbers[1:], clock, path.times)
        point, _ = foot_path(times, lifted[:-1], landed, places, limb.lift)
        point = point - centre
        local = np.stack(
            [point[:, 0] * cos - point[:, 2] * sin, point[:, 1] + limb.level, point[:, 0] * sin + point[:, 2] * cos], -1
        )
        (put_hand if limb.hand else put_foot)(poses, limb.side, local, limb.pole)
    poses[:, [0, 2]] = np.stack([poses[:, 0] * cos + poses[:, 2] * sin, poses[:, 2] * cos - poses[:, 0] * sin], -1)
    poses[:, 0] += centre[:, 0]
    poses[:, 2] += centre[:, 2]
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, heading), poses[:, ROOT])


def _crawl(
    rng: Rng, times: Array, speed: float, cadence: float, height: float, pitch: float, bend: float,
    hand: tuple[float, float, float], foot: tuple[float, float, float], *, elbow: tuple[float, float, float],
    knee: tuple[float, float, float], lift: float = 0.1, wriggle: float = 0.0,
) -> Movement:  # fmt: skip
    """Crawl with hands and feet set down around (along, out, level) `hand` and `foot`."""
    at = grid(times)
    pace = np.maximum(speed * (1 + drift(rng, at, 0.3, 4.0, 1.5)), 0.0) * rng.choice([1.0, 1.0, 1.0, 1.0, -0.6])
    heading = drift(rng, at, rng.uniform(0.0, 0.8), 10.0, 4.0)
    beat = 2 * np.pi * cadence * times
    poses = pitched(times, height + 0.015 * np.sin(2 * beat), pitch + drift(rng, times, 0.04), bend)
    poses[:, 2] = rng.uniform(0.01, 0.05) * np.sin(beat)
    turn_chest(poses, 0.0, wriggle * np.sin(beat + 1.0), rng.uniform(0, 0.12) * np.sin(beat))
    turn_head(poses, rng.uniform(-1.0, 0.2), steps(rng, times, 0.6, (0.8, 4.0), (0.3, 0.7)))
    lag = float(rng.choice([0.5, 0.5, 0.3, 0.75, 0.0]))
    limbs = [_Limb(False, side, 0.5 * side + lag, *foot, 0.4 * lift, knee) for side in (0, 1)]
    limbs += [_Limb(True, side, 0.5 * side, *hand, lift, elbow) for side in (0, 1)]
    _move_on_limbs(rng, times, poses, ground_path(at, pace, heading), cadence, rng.uniform(0.56, 0.72), limbs)
    keep_above_floor(poses)
    return Movement(poses, tags_of(len(times), "step"), "crawl")


def on_planted_knees(rng: Rng, times: Array) -> Movement:
    """Crawl on hands and knees, slowly or quickly, with a level, hollow or round back, also backwards."""
    cadence = rng.uniform(0.4, 1.3)
    height = rng.uniform(0.36, 0.46)
    return _crawl(
        rng, times, cadence * rng.uniform(0.2, 0.5), cadence, height, rng.uniform(1.2, 1.55), rng.uniform(-0.25, 0.25),
        (rng.uniform(0.48, 0.64), rng.uniform(0.12, 0.26), HAND),
        (-rng.uniform(0.38, 0.5), rng.uniform(0.1, 0.2), -0.02),
        elbow=(-1.0, 0.2, rng.uniform(0.1, 1.2)), knee=(0.6, -1.0, 0.0), lift=rng.uniform(0.04, 0.16),
    )  # fmt: skip


def on_hands_and_feet(rng: Rng, times: Array) -> Movement:
    """Move like a bear or spider: knees off the floor, the seat high or low."""
    cadence, height = rng.uniform(0.5, 1.4), rng.uniform(0.42, 0.75)
    pitch = 1.35 + 0.9 * (height - 0.42) + rng.uniform(-0.1, 0.25)
    return _crawl(
        rng, times, cadence * rng.uniform(0.2, 0.55), cadence, height, pitch, rng.uniform(-0.1, 0.25),
        (rng.uniform(0.5, 0.66), rng.uniform(0.14, 0.28), HAND),
        (-rng.uniform(0.1, 0.35), rng.uniform(0.1, 0.24), 0.03),
        elbow=(-1.0, 0.2, rng.uniform(0.2, 1.2)), knee=(1.0, -0.5, rng.uniform(0.1, 0.8)), lift=rng.uniform(0.06, 0.16),
    )  # fmt: skip


def creeping(rng: Rng, times: Array) -> Movement:
    """Stalk slowly close to the floor: elbows and knees bent, the trunk low, one limb after the other."""
    cadence = rng.uniform(0.2, 0.55)
    return _crawl(
        rng, times, cadence * rng.uniform(0.25, 0.5), cadence, rng.uniform(0.2, 0.34), rng.uniform(1.3, 1.5), 0.1,
        (rng.uniform(0.6, 0.8), rng.uniform(0.2, 0.34), HAND), (-rng.uniform(0.3, 0.5), rng.uniform(0.2, 0.34), 0.0),
        elbow=(-1.0, 0.6, 0.8), knee=(0.5, -0.3, 1.0), lift=0.08, wriggle=0.1,
    )  # fmt: skip


def pulling(rng: Rng, times: Array) -> Movement:
    """Crawl on the belly: the hands reach ahead and pull, the knees draw up to the side in turn and push."""
    cadence = rng.uniform(0.35, 0.9)
    return _crawl(
        rng, times, cadence * rng.uniform(0.3, 0.5), cadence, 0.05, 1.5, -rng.uniform(0.0, 0.25),
        (rng.uniform(0.85, 1.0), rng.uniform(0.2, 0.32), HAND), (-rng.uniform(0.6, 0.75), rng.uniform(0.24, 0.4), 0.0),
        elbow=(-0.6, 0.1, 1.0), knee=(0.4, -0.1, 1.0), lift=0.05, wriggle=0.25,
    )  # fmt: skip


def _depth(rng: Rng, times: Array) -> Array:
    """Return the depth [T], 0 to 1: in even beats, or in single strokes with rests at top and bottom."""
    if rng.random() < 0.4:
        return repeats(rng, times, (0.3, 1.3))
    down, at = np.zeros_like(times), times[0] - rng.uniform(0.5, 3.0)
    depth, sinks, rises = rng.uniform(0.6, 1.0), rng.uniform(0.3, 1.5), rng.uniform(0.25, 1.0)
    below, above = rng.choice([0.0, rng.uniform(0.1, 0.8)]), rng.choice([0.05, rng.uniform(0.1, 0.9)])
    while at < times[-1]:
        deep = depth * rng.uniform(0.85, 1.0)
        down += deep * (smoothstep(times, at, sinks) - smoothstep(times, at + sinks + below, rises))
        at += sinks + below + rises + above * rng.uniform(0.5, 1.5)
    return down


def pressing(rng: Rng, times: Array) -> Movement:
    """Do push-ups of many kinds: partial, slow, on the knees, one leg up, to one side, hips first, piked, clapping."""
    kind = str(rng.choice(["plain", "plain", "knees", "pike", "leg_up", "aside", "worm", "clap"]))
    clap = kind == "clap"
    down = _depth(rng, times)
    knees = kind == "knees"
    # From the support on the floor to the hips, and from there to the shoulders.
    support, reach = (0.5, TORSO) if knees else (0.985, TORSO)
    high = 0.9 * ARM + HAND
    low = rng.uniform(0.05, 0.3) * ARM + HAND + 0.12
    height = high + down * (low - high)
    hop = np.zeros_like(times)
    if clap:  # some push off, and the trunk flies
        beat = times / rng.uniform(0.9, 1.4) + rng.random()
        x, seconds = beat % 1.0, rng.uniform(0.22, 0.34)
        share = np.clip((x - 0.6) * (1 / seconds), 0, 1)
        flies = 0.5 * GRAVITY * seconds**2 * share * (1 - share)
        height = high + np.where(x < 0.6, (low - high) * np.sin(np.pi * x / 0.6) ** 2, flies)
        hop = np.sin(np.pi * share)
    foot_height = FLOOR + 0.06 if knees else 0.05
    hip_up = rng.normal(0.01, 0.03) + (rng.uniform(0.12, 0.3) if kind == "pike" else 0.0)
    worm = rng.uniform(0.06, 0.15) * (0.5 - down) if kind == "worm" else 0.0
    line = np.arcsin(np.clip((height - foot_height) / (support + reach), -0.1, 0.9))
    pelvis = foot_height + support * np.sin(line) + hip_up - worm
    back = np.sqrt(np.maximum(support**2 - (pelvis - foot_height) ** 2, 0.05))  # the legs stay straight
    trunk = np.arcsin(np.clip((height - pelvis) / reach, -0.95, 0.95))
    poses = pitched(times, pelvis, np.pi / 2 - trunk, rng.normal(0, 0.05))
    poses[:, 0] = back
    aside = rng.uniform(0.1, 0.25) * down * rng.choice([-1.0, 1.0]) if kind == "aside" else 0.0 * down
    poses[:, 2] = 0.5 * aside
    turn_head(poses, rng.uniform(-0.7, 0.2) + drift(rng, times, 0.06), drift(rng, times, 0.1))
    width, ahead = SHOULDER * rng.uniform(0.5, 2.1), rng.uniform(-0.08, 0.18)
    at = float(np.median(back)) + reach * float(np.cos(np.median(trunk))) - ahead
    flare, stagger = rng.uniform(0.1, 1.4), rng.choice([0.0, rng.uniform(-0.12, 0.12)])
    apart = rng.uniform(0.02, 0.28)
    for side, sign in ((0, -1.0), (1, 1.0)):
        point = np.array([at + sign * stagger, HAND, sign * width]) + np.zeros((len(times), 3))
        if clap:
            point[:, 1] += 0.1 * hop + (height - high) * (hop > 0)
            point[:, 2] *= 1 - 0.9 * hop
        put_hand(poses, side, point, (-1.0, 0.3, flare))
        if knees:
            put_foot(poses, side, np.array([-0.42, rng.uniform(-0.02, 0.35), sign * apart]), (0.5, -1.0, 0.0))
        else:
            put_foot(poses, side, np.array([0.0, 0.05, sign * apart]), (0.1, -1.0, 0.1))
    if not knees:
        poses[:, ANKLES] *= rng.uniform(1.0, 1.013)  # nearly straight
    if kind == "leg_up":
        side = int(rng.integers(2))
        poses[:, 27 + 3 * side] -= rng.uniform(0.15, 0.4)
    keep_above_floor(poses)
    return Movement(poses, tags_of(len(times)), "push_up")


STYLES: tuple[Style, ...] = (
    Style("crawl", "on_planted_knees", on_planted_knees, 1.2, source="planted hands"),
    Style("crawl", "on_hands_and_feet", on_hands_and_feet, 0.8, source="planted hands"),
    Style("crawl", "creeping", creeping, 0.5, source="planted hands"),
    Style("crawl", "pulling", pulling, 0.4, source="planted hands"),
    Style("push_up", "pressing", pressing, 2.8),
)
