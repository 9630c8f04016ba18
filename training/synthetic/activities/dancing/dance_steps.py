"""Dancing to a beat: ballroom and club step patterns, spins, pointing, hip movements, jumps and oscillations.

Each style is a function (rng, times [T]) → `Movement` at one tempo: everything moves once per beat, or an integer
multiple or fraction of it.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.locomotion.ballistic_jumps import fly, jump
from training.synthetic.activities.mechanics.footfalls import bend_arm, foot_path, plant, stay_put
from training.synthetic.motion.motion import ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    Movement,
    Rng,
    Style,
    drift,
    place_arm,
    smoothstep,
    steps,
    tags_of,
    turn_chest,
    turn_head,
    upright,
)

# Beats per cycle, and the steps: beat, foot, and the foot's place forwards and to the right of its usual one, in step
# lengths.
_PATTERNS: dict[str, tuple[int, tuple[tuple[float, int, float, float], ...]]] = {
    "step_touch": (4, ((0, 1, 0, 1), (1, 0, 0, 1), (2, 0, 0, 0), (3, 1, 0, 0))),
    "box": (6, ((0, 0, 1, 0), (1, 1, 1, 1), (2, 0, 1, 1), (3, 1, 0, 1), (4, 0, 0, 0), (5, 1, 0, 0))),
    "salsa": (8, ((0, 0, 0.9, 0), (2, 0, 0, 0), (4, 1, -0.9, 0), (6, 1, 0, 0))),
    "sides": (8, ((0, 1, 0, 0.8), (2, 1, 0, 0), (4, 0, 0, -0.8), (6, 0, 0, 0))),
    "grapevine": (
        8,
        (
            (0, 1, 0, 1), (1, 0, -0.5, 1.5), (2, 1, 0, 2), (3, 0, 0, 2),
            (4, 0, 0, 1), (5, 1, -0.5, 0.5), (6, 0, 0, 0), (7, 1, 0, 0),
        ),
    ),
    "charleston": (8, ((0, 0, 0.9, 0), (2, 0, -0.2, 0), (4, 1, -0.9, 0), (6, 1, 0.1, 0))),
    "march": (2, ((0, 0, 0, 0.02), (1, 1, 0, 0.02))),
    "chasse": (
        8,
        (
            (0, 1, 0, 1), (1, 0, 0, 0.8), (1.5, 1, 0, 1.8), (2.5, 0, 0, 1.8),
            (4, 0, 0, 0.8), (5, 1, 0, 1), (5.5, 0, 0, 0), (6.5, 1, 0, 0),
        ),
    ),
}  # fmt: skip


def _tempo(rng: Rng, times: Array, slowest: float = 1.2, fastest: float = 2.4) -> Array:
    """Return the beat's phase [T]; integers are the beats."""
    return times * rng.uniform(slowest, fastest) + rng.uniform(0, 8)


def _pattern_feet(rng: Rng, beat: Array, name: str, length: float, lift: float) -> tuple[Array, Array]:
    """Return feet [T, 2, 3] that dance the pattern `name`, and the progress of each foot's swing [T, 2]."""
    period, moves = _PATTERNS[name]
    feet, swings = np.empty((len(beat), 2, 3)), np.empty((len(beat), 2))
    rounds = np.arange(np.floor(beat[0] / period) - 1, np.ceil(beat[-1] / period) + 2) * period
    quick = rng.uniform(0.5, 0.85)
    for side, sign in ((0, -1.0), (1, 1.0)):
        side_moves = [move for move in moves if move[1] == side]
        at = (rounds[:, None] + [move[0] for move in side_moves]).ravel()
        where = np.array([(length * move[2], 0.0, length * move[3] + sign * 0.1) for move in side_moves])
        places = np.tile(where, (len(rounds), 1)) + rng.normal(0, 0.012, (len(at), 3)) * [1.0, 0.0, 1.0]
        if name != "march":
            stay_put(places, 0.05)
            feet[:, side], swings[:, side] = foot_path(beat, at[1:] - quick, at[1:], places, lift)
        else:
            feet[:, side], swings[:, side] = foot_path(beat, at[1:] - quick, at[1:], places, 0.0)
            feet[:, side, 1] += 2 * lift * np.sin(np.pi * swings[:, side])
    return feet, swings


def _over_feet(feet: Array, swings: Array) -> Array:
    """Return the pelvis's place [T, 2], over the foot that bears more weight."""
    carries = 1 - 0.55 * np.sin(np.pi * swings)
    return (feet[:, :, [0, 2]] * carries[:, :, None]).sum(1) / carries.sum(1, keepdims=True)


def _arm_moves(rng: Rng, poses: Array, times: Array, beat: Array) -> None:
    """Move the arms to the beat, in place: swing, pump, roll, wave overhead, point, clap or hold a partner."""
    names = ["swing", "pump", "roll", "above", "sway", "snap", "partner", "loose", "clapping"]
    kind = str(rng.choice(names))
    per = float(rng.choice([0.5, 0.5, 1.0, 0.25]))
    wave = 2 * np.pi * per * beat + rng.uniform(0, 0.6)
    opposite = rng.random() < 0.6
    for side in (0, 1):
        turn = wave + np.pi * (opposite and side)
        s, c = np.sin(turn), np.cos(turn)
        if kind == "swing":
            bend_arm(poses, side, 0.3 + rng.uniform(0.4, 0.9) * s, 0.2 + 0.1 * c, 0.6 + 0.3 * s, 0.3)
        elif kind == "pump":
            bend_arm(poses, side, 0.5 + 0.3 * s, 0.5, 1.7 + 0.5 * s, 0.3)
        elif kind == "roll":
            bend_arm(poses, side, 0.5 + 0.15 * s, 0.35, 1.6 + 0.35 * c, 1.1)
        elif kind == "above":
            bend_arm(poses, side, 2.5 + 0.2 * c, 0.2 + 0.3 * s, 0.6 + 0.3 * c, 0.0)
        elif kind == "sway":
            bend_arm(poses, side, 0.2, 1.0 + rng.uniform(0.3, 0.7) * s, 0.5 + 0.4 * c, 0.0)
        elif kind == "snap":
            bend_arm(poses, side, 0.5 + 0.1 * s, 0.5 + 0.2 * s, 1.9 + 0.2 * c, -0.3)
        elif kind == "partner":
            held = (1.1, 0.9, 0.7, 0.2) if side == 0 else (0.9, 0.5, 1.3, 0.8)
            bend_arm(poses, side, held[0] + 0.08 * s, held[1], held[2], held[3])
        elif kind == "loose":
            place_arm(
                rng, Movement(poses, tags_of(len(times)), "dance"), side, str(rng.choice(["hang_loose", "hip"])), times
            )
        else:
            bend_arm(poses, side, 0.8 + 0.05 * s, 0.25 + 0.2 * np.sin(wave), 1.4, 0.9)


def _finish(rng: Rng, poses: Array, beat: Array) -> Movement:
    turn_head(
        poses, 0.06 * np.sin(2 * np.pi * beat + rng.uniform(0, 6)), rng.uniform(0, 0.3) * np.sin(np.pi * beat / 2)
    )
    return Movement(poses, tags_of(len(beat)), "dance")


def pattern_dance(rng: Rng, times: Array) -> Movement:
    """Repeat a step pattern: step-touch, waltz box, salsa basic, grapevine, charleston or chassé, sometimes turning."""
    name = str(rng.choice(list(_PATTERNS)))
    beat = _tempo(rng, times, 1.2, 2.6)
    feet, swings = _pattern_feet(rng, beat, name, rng.uniform(0.25, 0.5), rng.uniform(0.04, 0.14))
    heading = rng.choice([0.0, 0.0, rng.uniform(-0.9, 0.9)]) * 0.5 * beat
    heading = heading - heading[0] + drift(rng, times, 0.2)
    # The pattern turns with the dancer.
    c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
    x, z = feet[:, :, 0].copy(), feet[:, :, 2].copy()
    feet[:, :, 0], feet[:, :, 2] = x * c + z * s, z * c - x * s
    poses = upright(times)
    poses[:, [0, 2]] = _over_feet(feet, swings)
    bob = rng.uniform(0.0, 0.05) * (0.5 + 0.5 * np.cos(2 * np.pi * beat))
    hips = rng.uniform(0.0, 0.2) * np.sin(np.pi * beat + rng.uniform(0, 6))
    plant(poses, feet, heading, swings, heel=0.1, sink=0.01 + bob, turned=0.2, roll=hips)
    turn_chest(poses, rng.normal(0.04, 0.06), rng.uniform(0, 0.2) * np.sin(np.pi * beat), -hips)
    _arm_moves(rng, poses, times, beat)
    return _finish(rng, poses, beat)


def hip_sway(rng: Rng, times: Array) -> Movement:
    """Sway the hips over planted feet, sideways, in circles or figures of eight, with the shoulders opposed."""
    beat = _tempo(rng, times, 1.0, 2.4)
    poses, feet = upright(times), np.zeros((len(times), 2, 3))
    apart, size = rng.uniform(0.1, 0.26), rng.uniform(0.05, 0.13)
    feet[:, 0, 2], feet[:, 1, 2] = -apart, apart
    feet[:, :, 0] = rng.normal(0, 0.05, 2)
    turn = np.pi * beat * rng.choice([1.0, 2.0])
    poses[:, 2] = size * np.sin(turn)
    poses[:, 0] = rng.choice([0.0, 0.6, 0.6]) * size * np.cos(turn * rng.choice([1.0, 2.0]))
    for side, sign in ((0, -1.0), (1, 1.0)):  # a heel lifts with the hip
        feet[:, side, 1] = rng.choice([0.0, 0.08]) * np.maximum(-sign * np.sin(turn), 0)
    roll = rng.uniform(0.1, 0.3) * np.sin(turn)
    heading = rng.uniform(0, 0.4) * np.sin(turn + rng.uniform(0, 6)) + drift(rng, times, 0.4)
    plant(
        poses,
        feet,
        heading,
        np.zeros((len(times), 2)),
        sink=rng.uniform(0.02, 0.1) + 0.02 * np.cos(2 * turn),
        roll=roll,
    )
    turn_chest(poses, rng.uniform(0, 0.2), rng.uniform(0, 0.4) * np.sin(turn), -1.3 * roll)
    _arm_moves(rng, poses, times, beat)
    return _finish(rng, poses, beat)


def disco(rng: Rng, times: Array) -> Movement:
    """Point an arm up and out, then down across, to the beat, with the hips following and the other hand on the hip."""
    beat = _tempo(rng, times, 1.4, 2.3)
    poses, feet = upright(times), np.zeros((len(times), 2, 3))
    feet[:, 0, 2], feet[:, 1, 2] = -0.2, 0.2
    strikes = np.floor(beat)
    up = strikes % 2 + (1 - 2 * (strikes % 2)) * smoothstep(beat - strikes, 0.0, rng.uniform(0.3, 0.6))
    poses[:, 2] = 0.1 * (2 * up - 1)
    feet[:, 0, 1] = 0.1 * up
    sink = 0.03 + 0.03 * np.cos(2 * np.pi * beat)
    plant(
        poses,
        feet,
        0.3 * (up - 0.5) + drift(rng, times, 0.3),
        np.zeros((len(times), 2)),
        sink=sink,
        roll=0.15 * (up - 0.5),
    )
    turn_chest(poses, 0.08, 0.4 * (0.5 - up), 0.2 * (0.5 - up))
    swap = np.floor(beat / 8) % 2 if rng.random() < 0.5 else np.zeros_like(beat)
    low, high = rng.uniform(-0.3, 0.3), rng.uniform(2.0, 2.6)
    for side in (0, 1):
        does = np.where(swap == (1 - side), 1.0, 0.0)
        place_arm(rng, Movement(poses, tags_of(len(times)), "dance"), side, "hip", times)
        bend_arm(poses, side, 0.6 + (high - 0.6) * up, low + (0.7 - low) * up, 0.15, 0.6 * (1 - up), does)
    return _finish(rng, poses, beat)


def spinning(rng: Rng, times: Array) -> Movement:
    """Turn by whole turns on one foot with small steps, arms out or in, and step from side to side in between."""
    beat = _tempo(rng, times, 1.2, 2.2)
    feet, swings = _pattern_feet(rng, beat, "march", 0.3, rng.uniform(0.03, 0.1))
    every, lasts = rng.choice([4.0, 6.0, 8.0]), rng.uniform(1.5, 3.0)
    bar = np.floor(beat / every)
    spin = smoothstep(beat - bar * every, 0.0, lasts)
    heading = 2 * np.pi * rng.choice([-1.0, 1.0]) * (bar + spin) * rng.choice([1.0, 1.0, 0.5])
    heading = heading - heading[0]
    c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
    x, z = feet[:, :, 0].copy(), feet[:, :, 2].copy()
    feet[:, :, 0], feet[:, :, 2] = x * c + z * s, z * c - x * s
    turning = 4 * spin * (1 - spin)
    poses = upright(times)
    poses[:, 2] = rng.uniform(0.02, 0.1) * np.sin(np.pi * beat) * (1 - turning)
    plant(poses, feet, heading, swings, sink=0.02, roll=0.1 * np.sin(np.pi * beat) * (1 - turning))
    _arm_moves(rng, poses, times, beat)
    out = rng.random() < 0.5
    for side in (0, 1):
        if out:
            bend_arm(poses, side, 0.2, 1.3, 0.3, 0.0, turning)
        else:
            bend_arm(poses, side, 0.7, 0.4, 1.6, 0.9, turning)
    return _finish(rng, poses, beat)


def jumping_to_the_beat(rng: Rng, times: Array) -> Movement:
    """Jump on every beat like a concert crowd, with one or both arms raised; the arms distinguish it from jumping."""
    rate = rng.uniform(1.5, 2.4)
    count = int((times[-1] - times[0] + 6) * rate) + 3
    took_off = times[0] - 2 + np.arange(count) / rate - rng.uniform(0, 1 / rate)
    flights = fly(times, took_off, np.full(count, rng.uniform(0.35, 0.6) / rate), 0.4, 0.4)
    places = np.zeros((count, 2, 3))
    sway = 0.12 * (2 * (np.arange(count) % 2) - 1) * rng.choice([0.0, 1.0])
    places[:, 0, 2], places[:, 1, 2] = sway - 0.12, sway + 0.12
    turns = drift(rng, times, 0.6)
    movement = jump(times, flights, places, 0 * turns, knee=0.03)
    beat = flights.number + flights.air + rng.uniform(0, 2)
    poses = movement.poses
    turn_chest(poses, rng.uniform(0, 0.2), 0.15 * np.sin(np.pi * beat), 0.1 * np.sin(np.pi * beat))
    pump = np.sin(2 * np.pi * beat)
    for side in (0, 1):
        bend_arm(poses, side, rng.uniform(0.2, 0.8) + 0.2 * pump, 0.4, 1.5 + 0.3 * pump, 0.3)
    for side in (0, 1) if rng.random() < 0.5 else (int(rng.integers(2)),):
        bend_arm(poses, side, rng.uniform(2.2, 2.9) + 0.25 * pump, 0.25, 0.5 + 0.4 * pump)
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, turns), poses[:, ROOT])
    return _finish(rng, poses, beat)


def oscillating(rng: Rng, times: Array) -> Movement:
    """Oscillate every joint at its own harmonic, phase and amplitude of one beat."""
    beat = _tempo(rng, times, 0.9, 2.2)
    energy = rng.uniform(0.5, 1.2)

    def swing(size: float) -> Array:
        parts = [rng.choice([0.25, 0.5, 0.5, 1.0, 1.0]) for _ in range(2)]
        return (
            size
            * energy
            * sum(
                (rng.uniform(0.3, 0.8) * np.sin(2 * np.pi * (part * beat + rng.random())) for part in parts),
                np.zeros_like(beat),
            )
        )

    poses, feet = upright(times), np.zeros((len(times), 2, 3))
    apart = rng.uniform(0.08, 0.3)
    feet[:, 0, 2], feet[:, 1, 2] = -apart, apart
    treads = 0.5 * beat + rng.random()
    up = rng.uniform(0.0, 0.12)
    swings = np.stack([np.clip((treads + 0.5 * side) % 1.0 * 2, 0, 1) for side in (0, 1)], -1)
    feet[:, :, 1] = up * np.sin(np.pi * swings)
    feet[:, :, 0] += rng.uniform(0, 0.15) * np.sin(np.pi * swings)
    poses[:, 0], poses[:, 2] = swing(0.04), swing(0.08)
    heading = swing(0.3) + steps(rng, times, rng.uniform(0.0, 1.2), (2.0, 6.0), (0.8, 2.0))
    plant(
        poses, feet, heading, swings, sink=rng.uniform(0.02, 0.08) + np.clip(swing(0.05), -0.02, 0.2), roll=swing(0.1)
    )
    turn_chest(poses, 0.08 + swing(0.15), swing(0.3), swing(0.15))
    alike = rng.random() < 0.4
    base = rng.uniform((0.0, 0.1, 0.2), (1.8, 1.0, 1.6))
    moves = [swing(0.5), swing(0.35), swing(0.6), swing(0.4)]
    for side in (0, 1):
        if not alike and side:
            base = rng.uniform((0.0, 0.1, 0.2), (1.8, 1.0, 1.6))
            moves = [swing(0.5), swing(0.35), swing(0.6), swing(0.4)]
        bend_arm(
            poses, side, base[0] + moves[0], base[1] + moves[1], np.maximum(base[2] + moves[2], 0.1), 0.2 + moves[3]
        )
    turn_head(poses, swing(0.15), swing(0.3))
    return Movement(poses, tags_of(len(times)), "dance")


STYLES: tuple[Style, ...] = (
    Style("dance", "patterns", pattern_dance, 1.6),
    Style("dance", "hip_sway", hip_sway, 1.0),
    Style("dance", "disco", disco, 0.6),
    Style("dance", "spinning", spinning, 0.6),
    Style("dance", "jumping", jumping_to_the_beat, 0.4),
    Style("dance", "oscillating", oscillating, 1.2),
)
