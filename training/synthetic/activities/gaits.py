"""Walking and running: captured cycles, retimed and stretched, and gaits made from curves or joint angles.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import bend_leg
from training.synthetic.activities.mechanics.paths import follow_path
from training.synthetic.motion.motion import ANKLES, ROOT, WRISTS, Array, MotionClip, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    ARM_POSITIONS,
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    busy_hands,
    drift,
    look_around,
    place_arm,
    set_arm,
    tags_of,
    turn_chest,
    upright,
)


def _along_a_path(rng: Rng, movement: Movement, times: Array, distance: Array, treadmill: float) -> None:
    """Replace the pelvis's path by `distance` [T] along a slightly curved path, in place."""
    poses = movement.poses
    heading = np.zeros_like(times)
    if rng.random() < 0.5:
        heading = drift(rng, times, rng.uniform(0.1, 0.9), 12.0, 4.0)
        heading -= heading[0]
    move = np.diff(distance, prepend=distance[0])
    x, z = np.cumsum(move * np.cos(heading)), -np.cumsum(move * np.sin(heading))
    sideways = poses[:, 2].copy()
    if rng.random() < treadmill:
        x, z = 0 * x, 0 * z
        heading = heading * 0.1
    poses[:, 0] = x + sideways * np.sin(heading)
    poses[:, 2] = z + sideways * np.cos(heading)
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, heading), poses[:, ROOT])


def _gait_arms(rng: Rng, movement: Movement, times: Array, chance: float) -> None:
    if rng.random() < chance:
        names = ["phone_ear", "phone_front", "carry_front", "carry_side", "strap", "pocket", "hip", "folded", "behind"]
        if rng.random() < 0.5:
            name = names[rng.integers(len(names))]
            for side in (0, 1):
                place_arm(rng, movement, side, name, times)
        else:
            place_arm(rng, movement, int(rng.integers(2)), names[rng.integers(len(names))], times)
    if rng.random() < 0.2 * chance:
        busy_hands(rng, movement, times)
    if rng.random() < 0.7:
        look_around(rng, movement.poses, times)


TREADMILL = 0.06
"""Share of walks on the spot: on a treadmill, or followed by the camera."""


def clip_gait(clip: MotionClip, action: str, cadence: tuple[float, float], stride: tuple[float, float]) -> Maker:
    mean = clip.poses.mean(0)

    def make(rng: Rng, times: Array) -> Movement:
        rate = rng.uniform(*cadence)
        warp = times * rate + drift(rng, times, 0.05 * rate, 6.0, 2.0) + rng.uniform(0, clip.duration)
        poses = clip.at(warp)
        scale = rng.uniform(*stride)
        # Stride: the fore-and-aft amplitude of the feet and the distance covered grow together.
        for column in (ANKLES.start, ANKLES.start + 3):
            poses[:, column] = mean[column] + scale * (poses[:, column] - mean[column])
        poses[:, WRISTS] = mean[WRISTS] + rng.uniform(0.3, 1.4) * (poses[:, WRISTS] - mean[WRISTS])
        distance = scale * clip.travel[0] * warp / clip.duration
        poses[:, 2] -= poses[:, 2].mean()
        movement = Movement(poses, tags_of(len(times), "step", "swing"), action)
        _along_a_path(rng, movement, times, distance, TREADMILL if action == "walk" else 0.25)
        turn_chest(movement.poses, rng.normal(0.0, 0.06))
        _gait_arms(rng, movement, times, 0.4 if action == "walk" else 0.08)
        return movement

    return make


def _stride(
    rng: Rng,
    times: Array,
    cadence: float,
    length: float,
    lift: float,
    *,
    bounce: float,
    heel: float,
    duty: float,
    sink: float = 0.12,
) -> tuple[Movement, Array]:
    """Return a gait from curves: `cadence` cycles per second, and step `length`, foot `lift` and backward fold `heel`
    in leg lengths; `sink` lowers the pelvis in long steps."""
    poses = upright(times)
    phase = cadence * times + drift(rng, times, 0.04, 5.0, 2.0) + rng.random()
    poses[:, 1] = 0.975 - sink * length**2 + bounce * np.cos(4 * np.pi * phase + 0.4)
    poses[:, 2] = 0.02 * np.sin(2 * np.pi * phase)
    for side in (0, 1):
        cycle = (phase + 0.5 * side) % 1.0
        stance = cycle < duty
        swing = np.clip((cycle - duty) / (1 - duty), 0, 1)
        along = np.where(stance, 0.5 - cycle / duty, -0.5 + swing * swing * (3 - 2 * swing))
        up = np.where(stance, 0.0, np.sin(np.pi * swing) * lift + heel * np.sin(np.pi * np.clip(swing * 1.6, 0, 1)))
        columns = ANKLES.start + 3 * side
        poses[:, columns] = length * along - 0.3 * heel * np.sin(np.pi * np.clip(swing * 1.6, 0, 1)) * ~stance
        poses[:, columns + 1] = -poses[:, 1] + up
    turn_chest(poses, rng.normal(0.05, 0.05), 0.18 * length * np.sin(2 * np.pi * phase))
    movement = Movement(poses, tags_of(len(times), "step", "swing"), "walk")
    return movement, phase


def _swing_arms(rng: Rng, movement: Movement, phase: Array, size: float, elbow: float) -> None:
    for side in (0, 1):
        swing = size * np.sin(2 * np.pi * phase + np.pi * side + rng.normal(0, 0.15))
        hang = np.array([0.10, -0.94, 0.14]) * (1 - elbow) + np.array(ARM_POSITIONS["run"][0]) * elbow
        wrist = np.stack([hang[0] + swing, hang[1] + 0.35 * swing**2 + 0.25 * elbow * swing, 0 * swing + hang[2]], -1)
        set_arm(movement.poses, side, wrist + rng.normal(0, 0.03, 3), np.array([-1.0, -0.3 * elbow, 0.3]))


def curve_walk(rng: Rng, times: Array) -> Movement:
    """Walk as in a street, mostly at 1.1 to 1.5 m/s; longer and more frequent steps contribute equally to speed."""
    speed = float(np.clip(rng.normal(1.5, 0.36), 0.5, 2.4))  # leg lengths per second
    cadence = np.sqrt(speed / 1.88) * float(np.clip(rng.normal(1.0, 0.1), 0.75, 1.25))
    duty = 0.62
    movement, phase = _stride(
        rng,
        times,
        cadence,
        # The ankle's path: the foot rolls, and the pelvis turns with it.
        0.82 * duty * speed / cadence,
        rng.uniform(0.04, 0.12),
        bounce=0.02,
        heel=rng.uniform(0.03, 0.15),
        duty=duty,
        sink=0.03,
    )
    _swing_arms(rng, movement, phase, rng.uniform(0.05, 0.45) * speed / 1.5, rng.uniform(0, 0.25))
    _along_a_path(rng, movement, times, phase * speed / cadence, TREADMILL)
    _gait_arms(rng, movement, times, 0.4)
    return movement


def slow_walk(rng: Rng, times: Array) -> Movement:
    """Stroll, shuffle or limp: small steps of uneven length."""
    length, cadence = rng.uniform(0.3, 0.65), rng.uniform(0.5, 0.85)
    movement, phase = _stride(
        rng,
        times,
        cadence,
        length,
        rng.uniform(0.02, 0.06),
        bounce=0.012,
        heel=0.03,
        duty=rng.uniform(0.62, 0.72),
        sink=0.05,
    )
    limp = rng.uniform(0.5, 1.0)
    movement.poses[:, ANKLES.start] *= limp
    turn_chest(movement.poses, rng.uniform(0, 0.35))
    _swing_arms(rng, movement, phase, rng.uniform(0.02, 0.2), 0.0)
    _along_a_path(rng, movement, times, phase * length * (1 + limp) / 2 / 0.65, TREADMILL)
    _gait_arms(rng, movement, times, 0.5)
    return movement


def marching(rng: Rng, times: Array) -> Movement:
    """March with high knees and a stiff, wide arm swing, also backwards or leaning sideways."""
    length, cadence = rng.uniform(0.35, 0.7), rng.uniform(0.7, 1.0)
    movement, phase = _stride(rng, times, cadence, length, rng.uniform(0.12, 0.28), bounce=0.025, heel=0.02, duty=0.58)
    _swing_arms(rng, movement, phase, rng.uniform(0.4, 0.6), 0.0)
    sign = -1.0 if rng.random() < 0.3 else 1.0
    _along_a_path(rng, movement, times, sign * phase * length / 0.58, 0.2)
    turn_chest(movement.poses, rng.normal(0, 0.15), 0.0, rng.normal(0, 0.1))
    return movement


def curve_run(rng: Rng, times: Array) -> Movement:
    length, cadence = rng.uniform(0.5, 1.15), rng.uniform(1.15, 1.75)
    movement, phase = _stride(
        rng,
        times,
        cadence,
        length,
        rng.uniform(0.1, 0.25),
        bounce=rng.uniform(0.03, 0.07),
        heel=rng.uniform(0.2, 0.5),
        duty=rng.uniform(0.3, 0.42),
    )
    movement.action = "run"
    turn_chest(movement.poses, rng.uniform(0.02, 0.25))
    _swing_arms(rng, movement, phase, rng.uniform(0.2, 0.5), rng.uniform(0.7, 1.1))
    _along_a_path(rng, movement, times, phase * length * rng.uniform(2.0, 2.8), 0.25)
    _gait_arms(rng, movement, times, 0.08)
    return movement


def high_knee_run(rng: Rng, times: Array) -> Movement:
    """Run with high knees, mostly on the spot or slowly forwards."""
    movement, phase = _stride(
        rng, times, rng.uniform(1.3, 1.9), rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.5), bounce=0.04, heel=0.1, duty=0.4
    )
    movement.action = "run"
    _swing_arms(rng, movement, phase, rng.uniform(0.2, 0.4), 0.9)
    _along_a_path(rng, movement, times, phase * rng.uniform(0.3, 1.4), 0.5)
    return movement


# Flexion in degrees at each tenth of a cycle, which begins with the foot's contact, as in gait analysis.
_HIP = (30.0, 25.0, 15.0, 4.0, -5.0, -10.0, -5.0, 12.0, 25.0, 32.0)
_KNEE = (4.0, 15.0, 17.0, 10.0, 6.0, 12.0, 36.0, 60.0, 50.0, 18.0)


def walk_by_angles(rng: Rng, times: Array) -> Movement:
    """Walk by the angles of hips, knees and arms. Held out: in trained styles, feet and hands follow paths."""
    size, cadence = rng.uniform(0.65, 1.15), rng.uniform(0.65, 1.1)
    phase = cadence * times + drift(rng, times, 0.03, 5.0, 2.0) + rng.random()
    poses = upright(times)
    for side in (0, 1):
        own = phase + 0.5 * side
        bend_leg(poses, side, size * _periodic(_HIP, own), np.maximum(size * _periodic(_KNEE, own), 0.03))
    poses[:, 1] = -poses[:, [ANKLES.start + 1, ANKLES.start + 4]].min(1)  # on the lower foot
    follow_path(rng, poses, 2 * 0.82 * size * phase, times, rng.uniform(0.0, 0.6))
    turn_chest(poses, rng.uniform(-0.02, 0.08), 0.1 * size * np.sin(2 * np.pi * phase))
    elbow, swing_size = rng.uniform(0.1, 0.5), rng.uniform(0.15, 0.5)
    for side in (0, 1):
        swing = -0.1 - swing_size * np.cos(2 * np.pi * (phase + 0.5 * side))
        wrist = 0.55 * _hanging(swing) + 0.45 * _hanging(swing + elbow)
        set_arm(poses, side, wrist + np.array([0.0, 0.0, 0.12]), np.array([-1.0, -0.2, 0.3]))
    look_around(rng, poses, times)
    return Movement(poses, tags_of(len(times), "step", "swing"), "walk")


def _periodic(samples: tuple[float, ...], phase: Array) -> Array:
    """Return the smooth periodic curve through equally spaced samples, in radians, at `phase` [T] (cycles)."""
    waves = np.fft.rfft(np.radians(samples)) / len(samples)
    orders = np.arange(len(waves))
    weights = np.where((orders == 0) | (orders == len(samples) // 2), 1.0, 2.0)
    turns = np.exp(2j * np.pi * phase[:, None] * orders)
    return (weights * waves * turns).sum(-1).real


def _hanging(angle: Array) -> Array:
    """Return directions [T, 3] of a hanging limb that is turned forwards by `angle` [T]."""
    return np.stack([np.sin(angle), -np.cos(angle), 0 * angle], -1)


STYLES: tuple[Style, ...] = (
    Style("walk", "curves", curve_walk, 2.0, source="stride"),
    Style("walk", "slow", slow_walk, 1.0, source="stride"),
    Style("walk", "marching", marching, 0.6, source="stride"),
    Style("run", "curves", curve_run, 1.0, source="stride"),
    Style("run", "high_knees", high_knee_run, 0.6, source="stride"),
)


def _captured_walk(clip: MotionClip) -> Maker:
    return clip_gait(clip, "walk", (0.8, 1.35), (0.8, 1.25))


def _captured_run(clip: MotionClip) -> Maker:
    return clip_gait(clip, "run", (0.75, 1.15), (0.5, 1.1))


CAPTURED: tuple[CapturedStyle, ...] = (
    CapturedStyle("walk", "walk", _captured_walk, 2.0),
    CapturedStyle("run", "run", _captured_run, 1.0),
)
