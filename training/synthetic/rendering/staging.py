"""Setting up a clip's scene from a seed: people's places, surroundings, light, furniture, and the camera and its
motion.

Nothing here depends on what people do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.motion import POSITION, ROOT, axis_rotation, quaternion_multiply, rotate
from training.synthetic.motion.skeleton import ANKLE_POINTS, HIPS
from training.synthetic.rendering.camera import Camera, look_at
from training.synthetic.rendering.light import Light
from training.synthetic.rendering.objects import STANDING, standing
from training.synthetic.rendering.scene import Posed, posed_object
from training.synthetic.rendering.surfaces.materials import Floats, Rng
from training.synthetic.rendering.surroundings import Surroundings, draw_surroundings

Array = NDArray[np.float64]

FIXED, SWAY, HANDHELD, PAN, FOLLOW, APPROACH = range(6)
"""Kinds of camera motion: none, swaying in the wind, held in a hand, panning evenly, following people, approaching."""
MOTIONS = ("fixed", "sway", "handheld", "pan", "follow", "approach")
"""Names of the kinds of camera motion."""
_MOVE_SHARES = (0.55, 0.08, 0.12, 0.1, 0.08, 0.07)

HELD_OUT_TILT = (9.0, 16.0)
"""Degrees by which held-out cameras at eye height are rolled to either side.

Training's cameras, including those of `training.synthetic.sequences.cameras`, look down by −8 to 45° at all distances,
so that they leave no pitch, height or lens to hold out; but they are rolled by at most 8°.
"""


@dataclass(frozen=True, slots=True, eq=False)
class CameraPath:
    """The camera over time: `position` and `target` at time 0, the `kind` of motion, and its parameters."""

    position: Array
    target: Array
    focal: float
    size: tuple[int, int]
    roll: float
    kind: int
    swing: Array
    """Amplitudes [2] (metres at the target), rates [2] (hertz), phases [2]."""
    drift: Array
    """Velocity [3] in metres per second, of the target (pan, follow) or of the camera (approach)."""

    @property
    def still(self) -> bool:
        return self.kind == FIXED

    def at(self, time: float) -> Camera:
        """Return the camera at `time` seconds."""
        position, target = self.position, self.target
        if self.kind in (SWAY, HANDHELD):
            x, y = self.swing[0] * np.sin(2 * np.pi * self.swing[1] * time + self.swing[2])
            view = target - position
            right = np.cross(view / np.linalg.norm(view), np.array([0.0, 1.0, 0.0]))
            target = target + x * right + y * np.array([0.0, 1.0, 0.0])
        elif self.kind in (PAN, FOLLOW):
            target = target + time * self.drift
        elif self.kind == APPROACH:
            position = position + time * self.drift
        return look_at(position, target, focal=self.focal, size=self.size, roll=self.roll)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A place to render people in. `furniture` does not move and may hide people."""

    camera: CameraPath
    light: Light
    surroundings: Surroundings
    furniture: list[Posed]


def draw_stage(
    rng: Rng,
    joints: Sequence[Array],
    statures: Sequence[float],
    size: tuple[int, int],
    *,
    pixels: tuple[float, float] = (90.0, 280.0),
    from_above: bool | None = None,
    bearing: float | None = None,
    seconds: float | None = None,
    follow: bool = False,
    clutter: float = 0.5,
    held_out: bool = False,
) -> Stage:
    """Draw a stage for people whose joints are `joints` (each [T, 17, 3] metres, over the whole clip).

    The picture shows everybody most of the time. A person of mean stature is from `pixels[0]` to `pixels[1]` tall in
    it, towards the lower limit if the group would not fit otherwise. Unless `from_above` is given, half of the cameras
    look down from above and half are at eye height. `bearing`: direction from the people to the camera, radians from x
    towards z. `seconds`: length of the clip; by default, 25 rows of joints per second. `follow`: the camera turns to
    follow people who move away. `clutter`: probability of furniture. Held-out cameras look down by 45 to 55°, or by 3
    to 10° with a roll (`HELD_OUT_TILT`).
    """
    lasting = seconds if seconds is not None else max(len(joints[0]) / 25, 0.5)
    first, last = (np.mean([one[row].mean(0) for one in joints], 0) for row in (0, -1))
    travel = (last - first) * np.array([1.0, 0.0, 1.0])
    # To a camera that follows them, people stay in the same place.
    passed = np.linspace(-0.5, 0.5, len(joints[0]))[:, None, None] * travel if follow else np.zeros((1, 1, 3))
    everyone = np.concatenate([(one - passed).reshape(-1, 3) for one in joints])
    centre = (everyone.min(0) + everyone.max(0)) / 2
    radius = float(np.linalg.norm((everyone - centre)[:, [0, 2]], axis=1).max())
    walked = np.concatenate([one.reshape(-1, 3) for one in joints])
    reach = float(np.linalg.norm((walked - centre)[:, [0, 2]], axis=1).max())
    above = bool(rng.random() < 0.5) if from_above is None else from_above
    pitch = np.deg2rad(rng.uniform(10, 45) if above else np.clip(rng.normal(2, 4), -4, 9))
    tilt = 0.0
    if held_out:
        pitch = np.deg2rad(rng.uniform(45, 55) if above else rng.uniform(3, 10))
        tilt = 0.0 if above else float(rng.choice((-1, 1)) * np.deg2rad(rng.uniform(*HELD_OUT_TILT)))
    tall = float(np.mean(statures))
    # From above people look shorter than they are.
    least, most = np.array(pixels) / (tall * np.cos(pitch))
    wanted = float(np.exp(rng.uniform(np.log(least), np.log(most))))
    view = np.deg2rad(rng.uniform(30, 75))
    # From the side the group is 2 · radius wide and about one stature high; from above its depth adds to the height.
    half_height = max(0.55 * (tall * np.cos(pitch) + 2 * radius * np.sin(pitch)), 0.5 * tall)
    half_width = max(radius + 0.3, 0.4)
    lean, upright = np.abs(np.sin(tilt)), np.cos(tilt)
    fit = min(
        0.46 * size[0] / (half_width * upright + half_height * lean),
        0.46 * size[1] / (half_height * upright + half_width * lean),
    )
    per_metre = max(min(wanted, fit), least)
    focal = 0.5 * size[0] / np.tan(view / 2)
    distance = max(focal / per_metre, radius + 1.2)
    focal = per_metre * distance
    bearing = open_bearing(rng, joints) if bearing is None else bearing
    away = np.array([np.cos(bearing) * np.cos(pitch), np.sin(pitch), np.sin(bearing) * np.cos(pitch)])
    position = centre + distance * away
    position[1] = max(position[1], 0.35)
    spare = np.array([0.25, 0.15]) * np.array(size) / per_metre * rng.uniform(-1, 1, 2) * 0.5
    target = centre + spare[0] * np.array([-np.sin(bearing), 0.0, np.cos(bearing)]) + np.array([0.0, spare[1], 0.0])
    kind = FOLLOW if follow else int(rng.choice(len(MOTIONS), p=_MOVE_SHARES))
    amplitude = {SWAY: 0.02, HANDHELD: 0.06}.get(kind, 0.0) * distance / 4 * rng.uniform(0.5, 1.5, 2)
    rates = rng.uniform(0.2, 0.6, 2) if kind == SWAY else rng.uniform(0.5, 2.0, 2)
    drift = np.zeros(3)
    if kind == PAN:
        drift = rng.normal(0, 0.15) * distance / 4 * np.array([-np.sin(bearing), 0.0, np.cos(bearing)])
    elif follow:
        drift = travel / lasting
        target = target - 0.5 * travel
    elif kind == FOLLOW:
        drift = 0.5 * travel / lasting
    elif kind == APPROACH:
        drift = -away * rng.uniform(-0.3, 0.5)
    path = CameraPath(
        position,
        target,
        float(focal),
        size,
        tilt or float(rng.normal(0, 0.02)),
        kind,
        np.stack([amplitude, rates, rng.uniform(0, 2 * np.pi, 2)]),
        drift,
    )
    surroundings = draw_surroundings(rng, centre * np.array([1.0, 0.0, 1.0]), position, reach + 0.4)
    light = draw_light(rng, surroundings.indoors)
    furniture = (
        _furniture(rng, walked, centre, radius, position, surroundings.indoors) if rng.random() < clutter else []
    )
    return Stage(path, light, surroundings, furniture)


def open_bearing(rng: Rng, joints: Sequence[Array], tries: int = 3) -> float:
    """Return the direction, out of a few, from which people hide one another least."""
    bearings = rng.uniform(-np.pi, np.pi, tries)
    places = np.stack([one.mean((0, 1))[[0, 2]] for one in joints])
    across = places @ np.stack([-np.sin(bearings), np.cos(bearings)])
    gaps = np.abs(across[:, None] - across[None])[~np.eye(len(places), dtype=bool)]
    return float(bearings[gaps.reshape(-1, tries).min(0).argmax()] if len(places) > 1 else bearings[0])


def draw_light(rng: Rng, indoors: bool) -> Light:
    """Draw daylight under a clear or overcast sky, or lamps indoors."""
    if indoors:
        towards = np.array([rng.normal(0, 0.5), 1.0, rng.normal(0, 0.5)])
        strength, around, blur = rng.uniform(0.3, 1.2), rng.uniform(0.4, 0.9), rng.uniform(0.05, 0.3)
        warm = np.exp(rng.normal(0, 0.12)) * np.array([1.0, 0.93, 0.8])
    else:
        bearing = rng.uniform(0, 2 * np.pi)
        towards = np.array([np.cos(bearing), rng.uniform(0.35, 2.5), np.sin(bearing)])
        covered = rng.random() < 0.4
        strength = rng.uniform(0.05, 0.3) if covered else rng.uniform(0.8, 2.5)
        around = rng.uniform(0.7, 1.1) if covered else rng.uniform(0.3, 0.6)
        blur = rng.uniform(0.15, 0.4) if covered else rng.uniform(0.01, 0.05)
        warm = np.array([1.0, 0.97, 0.9])
    sky = around * np.array([0.92, 0.96, 1.05]) if not indoors else around * warm
    return Light(
        towards=towards / np.linalg.norm(towards),
        sun=strength * warm * rng.normal(1, 0.03, 3),
        above=sky,
        below=around * rng.uniform(0.35, 0.65) * np.array([0.95, 0.9, 0.85]),
        blur=float(blur),
    )


def _furniture(rng: Rng, everyone: Array, centre: Array, radius: float, camera: Array, indoors: bool) -> list[Posed]:
    """Draw objects around and sometimes in front of people, but not where people move or close to the camera."""
    names = (
        ["chair", "table", "crate", "post", "bush"] if indoors else ["car", "post", "bush", "crate", "bicycle", "bush"]
    )
    floor, towards = everyone[:, [0, 2]], (camera - centre)[[0, 2]]
    out: list[Posed] = []
    for _ in range(int(rng.integers(1, 7))):
        thing = STANDING[str(rng.choice(names))](rng)
        size = float(np.abs(thing.mesh.vertices[:, [0, 2]]).max())
        reach = radius + size + rng.uniform(0.3, 5.0)
        bearing = rng.uniform(-np.pi, np.pi)
        at = centre[[0, 2]] + reach * np.array([np.cos(bearing), np.sin(bearing)])
        before = (at - centre[[0, 2]]) @ towards / max(float(np.linalg.norm(towards)), 1e-6)
        # Few objects stand between camera and people.
        if before > 0.5 * reach and rng.random() < 0.7:
            continue
        clear = np.linalg.norm(floor - at, axis=1).min() > size + 0.3
        far = np.linalg.norm(camera[[0, 2]] - at) > size + 1.5
        if clear and far:
            out.append(posed_object(thing, standing(np.array([at[0], 0.0, at[1]]), rng.uniform(0, 2 * np.pi))))
    return out


def place_people(rng: Rng, count: int, apart: float = 0.9) -> Array:
    """Draw places [count, 2] on the ground (x, z metres) that are mostly at least `apart` from one another."""
    reach = 0.6 + 0.75 * np.sqrt(count - 1) * rng.uniform(0.8, 1.8)
    places = np.zeros((count, 2))
    for number in range(count):
        for _ in range(20):
            places[number] = rng.uniform(-reach, reach, 2) if count > 1 else 0.0
            others = np.linalg.norm(places[:number] - places[number], axis=1)
            if not number or others.min() > apart * (0.5 if rng.random() < 0.1 else 1.0):
                break
    return places


def moved(poses: Array, leg: float, at: Array, turn: float, anchor: int) -> Array:
    """Return limb poses [T, 39] turned by `turn` radians about the vertical and shifted, so that at row `anchor` the
    pelvis of a person with legs of `leg` metres is above `at` [2] (x, z metres)."""
    out = poses.copy()
    rotation = axis_rotation(1, turn)
    level = np.array([1.0, 0.0, 1.0])
    offset = out[:, POSITION] - out[anchor, POSITION] * level
    out[:, POSITION] = rotate(rotation, offset) + np.array([at[0], 0.0, at[1]]) / leg
    out[:, ROOT] = quaternion_multiply(np.broadcast_to(rotation, out[:, ROOT].shape), out[:, ROOT])
    return out


def contacts(joints: Sequence[Array], statures: Sequence[float]) -> Floats:
    """Return how people darken the ground near them: rows for `Scene.contacts` from joints [17, 3] of each person."""
    rows: list[tuple[float, float, float, float]] = []
    for points, stature in zip(joints, statures, strict=True):
        for ankle in points[ANKLE_POINTS]:
            near = float(np.exp(-max(0.0, ankle[1] - 0.07) / 0.1))
            rows.append((float(ankle[0]), float(ankle[2]), 0.07 * stature, 0.7 * near))
        hip = points[HIPS].mean(0)
        rows.append((float(hip[0]), float(hip[2]), 0.2 * stature, 0.5 * float(np.exp(-max(0.0, hip[1]) / 0.5))))
    return np.array(rows, np.float32).reshape(-1, 4)
