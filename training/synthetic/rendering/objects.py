"""Objects that people use or that stand around: simple textured meshes, and how they are held or placed.

Lengths are in metres. An object for one hand has its grip at the origin and its long axis along z, which points out of
a fist at the thumb; y points out of the palm. An object that stands has its foot at the origin and y up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.surfaces.materials import (
    CHECKS,
    STRIPES_ACROSS,
    Colour,
    Floats,
    Material,
    Rng,
    linear,
    pack,
)
from training.synthetic.rendering.surfaces.mesh import Mesh, joined
from training.synthetic.rendering.surfaces.shapes import ball, cuboid, lathe, tube, turned

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RigidObject:
    """A rigid object with packed materials [M, C]."""

    name: str
    mesh: Mesh
    materials: Floats

    def at(self, transform: Array) -> Floats:
        """Return vertices [..., N, 3] in the world for transforms [..., 3, 4]."""
        turned = self.mesh.vertices @ np.swapaxes(transform[..., :3], -1, -2)
        return (turned + transform[..., None, :, 3]).astype(np.float32)


UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Turns z into y, so that an object made along z stands."""


def _paint(rng: Rng, shine: float = 0.2) -> Material:
    red, green, blue = np.clip(rng.uniform(0.02, 0.9, 3) ** 1.5, 0, 1)
    return Material((float(red), float(green), float(blue)), grain=0.06, shine=shine)


def _metal(rng: Rng) -> Material:
    value = rng.uniform(0.1, 0.6)
    return Material((value, value, value * 1.03), grain=0.05, shine=0.5)


def _wood(rng: Rng) -> Material:
    shade = rng.uniform(0.5, 1.3)
    brown: Colour = linear(min(1.0, 0.60 * shade), min(1.0, 0.42 * shade), min(1.0, 0.25 * shade))
    return Material(brown, grain=0.25, shine=0.1)


def _object(name: str, meshes: Sequence[Mesh], *materials: Material) -> RigidObject:
    return RigidObject(name, joined(list(meshes)), pack(materials))


def make_ball(rng: Rng) -> RigidObject:
    """Make a ball, from a juggling ball to a basketball."""
    radius = float(rng.choice([0.035, 0.05, 0.11, 0.12]))
    cover = replace(_paint(rng), second=(0.9, 0.9, 0.9), pattern=int(rng.choice([0, CHECKS, STRIPES_ACROSS])))
    return _object("ball", [ball(radius)], replace(cover, frequency=0.7 / radius))


def make_cup(rng: Rng) -> RigidObject:
    """Make a cup that is held round its body, with the palm on its side."""
    radius, height = rng.uniform(0.032, 0.045), rng.uniform(0.08, 0.13)
    profile = [(0.001, -height / 2), (radius * 0.85, -height / 2), (radius, height / 2), (radius * 0.9, height / 2)]
    handle = np.array([(-radius - 0.03 * np.sin(a), 0.0, 0.035 * np.cos(a)) for a in np.linspace(0, np.pi, 9)])
    parts = [lathe([*profile, (0.001, height / 2 - 0.01)]), tube(handle, 0.006)]
    return _object("cup", [turned(part, np.eye(3), (0.0, radius - 0.01, 0.0)) for part in parts], _paint(rng))


def make_bottle(rng: Rng) -> RigidObject:
    radius, height = rng.uniform(0.03, 0.04), rng.uniform(0.18, 0.26)
    profile = [(0.001, -0.09), (radius, -0.09), (radius, height - 0.14), (0.012, height - 0.1), (0.012, height - 0.09)]
    body = turned(lathe([*profile, (0.001, height - 0.09)]), np.eye(3), (0.0, radius - 0.01, 0.0))
    return _object("bottle", [body], _paint(rng, 0.5))


def make_bat(rng: Rng) -> RigidObject:
    length = rng.uniform(0.65, 0.85)
    profile = [
        (0.001, -0.08), (0.022, -0.08), (0.022, -0.06), (0.013, -0.05), (0.014, 0.2 * length), (0.032, 0.6 * length),
        (0.034, length - 0.1), (0.02, length - 0.08), (0.001, length - 0.08),
    ]  # fmt: skip
    return _object("bat", [lathe(profile)], _wood(rng) if rng.random() < 0.6 else _metal(rng))


def make_stick(rng: Rng) -> RigidObject:
    length, radius = rng.uniform(0.6, 1.8), rng.uniform(0.008, 0.018)
    foot = -rng.uniform(0.1, 0.6) * length
    profile = [(0.001, foot), (radius, foot), (radius, foot + length), (0.001, foot + length)]
    return _object("stick", [lathe(profile, segments=10)], _wood(rng) if rng.random() < 0.5 else _paint(rng))


def make_phone(rng: Rng) -> RigidObject:
    size = np.array([0.072, 0.009, 0.148]) / 2
    body = turned(cuboid(-size, size), np.eye(3), (0.0, 0.0, 0.05))
    return _object("phone", [body], Material((0.02, 0.02, 0.025) if rng.random() < 0.7 else (0.8, 0.8, 0.8), shine=0.6))


def make_barbell(rng: Rng) -> RigidObject:
    """Make a barbell for both hands: its bar along z, its middle at the origin."""
    bar = lathe([(0.001, -1.1), (0.014, -1.1), (0.014, 1.1), (0.001, 1.1)], 0, 10)
    radius = float(rng.uniform(0.12, 0.225))
    plates = []
    for side in (-1.0, 1.0):
        for number in range(int(rng.integers(1, 4))):
            size = radius * (1.0 if number == 0 else rng.uniform(0.6, 1.0))
            z = side * (0.66 + 0.05 * number)
            plates.append(lathe([(0.02, z - 0.02), (size, z - 0.02), (size, z + 0.02), (0.02, z + 0.02)], 1))
    return _object(
        "barbell", [bar, *plates], _metal(rng), _paint(rng) if rng.random() < 0.5 else Material((0.02, 0.02, 0.02))
    )


def make_dumbbell(rng: Rng) -> RigidObject:
    radius = rng.uniform(0.04, 0.075)
    ends = [lathe([(0.001, z), (radius, z), (radius, z + 0.06), (0.001, z + 0.06)], 1) for z in (-0.13, 0.07)]
    bar = lathe([(0.001, -0.1), (0.015, -0.1), (0.015, 0.1), (0.001, 0.1)], 0, 10)
    return _object("dumbbell", [bar, *ends], _metal(rng), _paint(rng))


def make_box(rng: Rng) -> RigidObject:
    """Make a box that both hands carry: its middle at the origin, its width along z."""
    size = np.array([rng.uniform(0.2, 0.45), rng.uniform(0.15, 0.4), rng.uniform(0.3, 0.5)]) / 2
    cardboard = Material(linear(0.72, 0.55, 0.37), grain=0.12)
    tape = cuboid((-size[0] - 0.001, -size[1] - 0.001, -0.025), (size[0] + 0.001, size[1] + 0.001, 0.025), 1)
    cover = cardboard if rng.random() < 0.6 else _paint(rng, 0.05)
    return _object("box", [cuboid(-size, size), tape], cover, Material((0.5, 0.4, 0.25), shine=0.2))


def make_bag(rng: Rng) -> RigidObject:
    """Make a bag that hangs from a hand along −y of the world (`hanging`), with its handles at the origin."""
    width, height, depth = rng.uniform(0.25, 0.4), rng.uniform(0.2, 0.4), rng.uniform(0.1, 0.2)
    drop = rng.uniform(0.08, 0.25)
    body = cuboid((-width / 2, -drop - height, -depth / 2), (width / 2, -drop, depth / 2))
    handles = []
    for z in (-depth / 3, depth / 3):
        spread = width / 3 * np.cos(np.linspace(0, np.pi, 9))
        path = np.stack([spread, -drop * (1 - np.sin(np.linspace(0, np.pi, 9))), np.full(9, z)], -1)
        handles.append(tube(path, 0.006, 0))
    return _object("bag", [body, *handles], replace(_paint(rng, 0.05), wrinkles=0.4))


def make_backpack(rng: Rng) -> RigidObject:
    """Make a worn backpack: its origin between the shoulder blades, x forward, y up."""
    height, depth = rng.uniform(0.35, 0.5), rng.uniform(0.12, 0.2)
    body = cuboid((-depth - 0.1, -height + 0.08, -0.15), (-0.1, 0.08, 0.15))
    pocket = cuboid((-depth - 0.15, -height + 0.1, -0.11), (-depth - 0.1, -height / 2, 0.11), 1)
    fabric = replace(_paint(rng, 0.03), wrinkles=0.3)
    return _object("backpack", [body, pocket], fabric, replace(_paint(rng, 0.03), wrinkles=0.3))


def make_chair(rng: Rng, seat: float | None = None) -> RigidObject:
    """Make a chair with x forward. `seat`: height of the seat in metres for a person who sits on it; by default it is
    drawn."""
    height, wide, back = rng.uniform(0.4, 0.48), rng.uniform(0.2, 0.26), rng.uniform(0.35, 0.55)
    seat = height if seat is None else seat
    legs = [
        cuboid((x - 0.02, 0, z - 0.02), (x + 0.02, seat, z + 0.02))
        for x in (-wide + 0.02, wide - 0.02)
        for z in (-wide + 0.02, wide - 0.02)
    ]
    parts = [
        cuboid((-wide, seat - 0.04, -wide), (wide, seat, wide)),
        cuboid((-wide, seat, -wide), (-wide + 0.04, seat + back, wide)),
    ]
    return _object("chair", [*legs, *parts], _wood(rng) if rng.random() < 0.5 else _paint(rng))


def make_table(rng: Rng) -> RigidObject:
    high, long, wide = rng.uniform(0.7, 1.05), rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.5)
    if rng.random() < 0.35:  # a counter
        return _object("table", [cuboid((-wide, 0, -long), (wide, high, long))], _wood(rng))
    legs = [
        cuboid((x - 0.03, 0, z - 0.03), (x + 0.03, high, z + 0.03))
        for x in (-wide + 0.04, wide - 0.04)
        for z in (-long + 0.04, long - 0.04)
    ]
    return _object("table", [*legs, cuboid((-wide, high - 0.04, -long), (wide, high, long))], _wood(rng))


def make_post(rng: Rng) -> RigidObject:
    """Make a pillar, lamp post or tree trunk."""
    radius, high = float(rng.choice([0.05, 0.12, 0.25])) * rng.uniform(0.7, 1.3), rng.uniform(2.5, 6.0)
    return _object("post", [turned(lathe([(radius * 1.1, 0.0), (radius, high)]), UPRIGHT)], _paint(rng, 0.05))


def make_crate(rng: Rng) -> RigidObject:
    size = np.array([rng.uniform(0.2, 1.0), rng.uniform(0.3, 1.6), rng.uniform(0.2, 1.0)])
    doors = replace(_paint(rng, 0.05), second=(0.05, 0.05, 0.05), pattern=STRIPES_ACROSS, share=0.04)
    cover = replace(doors, frequency=rng.uniform(1.0, 4.0)) if rng.random() < 0.5 else _paint(rng, 0.1)
    return _object("crate", [cuboid((-size[0], 0, -size[2]), (size[0], size[1], size[2]))], cover)


def make_car(rng: Rng) -> RigidObject:
    """Make a simple car: body, cabin, wheels."""
    body = cuboid((-2.1, 0.3, -0.85), (2.1, 0.85, 0.85))
    cabin = cuboid((-1.2, 0.85, -0.75), (1.0, 1.42, 0.75), 1)
    roof = cuboid((-1.1, 1.40, -0.72), (0.9, 1.46, 0.72))
    wheels = [
        turned(lathe([(0.001, -0.1), (0.32, -0.1), (0.32, 0.1), (0.001, 0.1)], 2), np.eye(3), (x, 0.32, z))
        for x in (-1.35, 1.35)
        for z in (-0.8, 0.8)
    ]
    glass, tyre = Material((0.03, 0.04, 0.05), shine=0.8), Material((0.02, 0.02, 0.02))
    return _object("car", [body, cabin, roof, *wheels], _paint(rng, 0.6), glass, tyre)


def make_bush(rng: Rng) -> RigidObject:
    """Make a bush or a tree's crown: a ball with a rough surface."""
    radius = rng.uniform(0.4, 1.3)
    mesh = ball(radius, rings=10)
    rough = 1 + 0.15 * rng.standard_normal((len(mesh.vertices), 1))
    vertices = (mesh.vertices * rough + np.array([0, radius * 0.9, 0])).astype(np.float32)
    green = np.array([0.06, 0.14, 0.03]) * rng.uniform(0.5, 1.8)
    leaves = Material(tuple(green.tolist()), grain=0.8, wrinkles=1.2)
    return _object("bush", [replace(mesh, vertices=vertices, two_sided=np.ones(len(mesh.triangles), bool))], leaves)


def make_bicycle(rng: Rng) -> RigidObject:
    """Make a standing bicycle with x forward."""
    ring = np.linspace(0, 2 * np.pi, 25)
    wheels = []
    for x in (-0.5, 0.52):
        path = np.stack([x + 0.33 * np.cos(ring), 0.34 + 0.33 * np.sin(ring), 0 * ring], -1)
        wheels.append(tube(path, 0.018, 1))
    bars = (
        ((-0.5, 0.34, 0), (-0.08, 0.3, 0)), ((-0.08, 0.3, 0), (-0.2, 0.82, 0)), ((-0.5, 0.34, 0), (-0.18, 0.75, 0)),
        ((-0.08, 0.3, 0), (0.38, 0.72, 0)), ((-0.18, 0.75, 0), (0.36, 0.78, 0)), ((0.52, 0.34, 0), (0.34, 0.95, 0)),
        ((0.34, 0.95, -0.28), (0.34, 0.95, 0.28)),
    )  # fmt: skip
    frame = [tube(np.linspace(np.array(a, float), np.array(b, float), 3), 0.016) for a, b in bars]
    saddle = cuboid((-0.32, 0.82, -0.07), (-0.08, 0.87, 0.07), 1)
    return _object("bicycle", [*wheels, *frame, saddle], _paint(rng, 0.4), Material((0.02, 0.02, 0.02)))


HELD: dict[str, Callable[[Rng], RigidObject]] = {
    "ball": make_ball,
    "cup": make_cup,
    "bottle": make_bottle,
    "bat": make_bat,
    "stick": make_stick,
    "phone": make_phone,
    "dumbbell": make_dumbbell,
}
"""Objects for one hand, by name (`figure.hand_frames`)."""
CARRIED: dict[str, Callable[[Rng], RigidObject]] = {"barbell": make_barbell, "box": make_box}
"""Objects for both hands, by name (`between_hands`)."""
STANDING: dict[str, Callable[[Rng], RigidObject]] = {
    "chair": make_chair,
    "table": make_table,
    "post": make_post,
    "crate": make_crate,
    "car": make_car,
    "bush": make_bush,
    "bicycle": make_bicycle,
}
"""Objects that stand on the ground, by name (`standing`)."""


def standing(at: Array, turn: float) -> Array:
    """Return the transform [3, 4] of an object that stands at `at` [3], turned by `turn` radians about the vertical."""
    cosine, sine = np.cos(turn), np.sin(turn)
    matrix = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    return np.concatenate([matrix, np.asarray(at, np.float64)[:, None]], 1)


def between_hands(left: Array, right: Array, forward: float = 0.0) -> Array:
    """Return transforms [..., 3, 4] of an object in both hands, from the hands' frames [..., 3, 4].

    z goes from left to right, y is as nearly up as possible, and the object is `forward` metres along x from the hands.
    """
    z = right[..., 3] - left[..., 3]
    z = z / np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-6)
    up = np.broadcast_to(np.array([0.0, 1.0, 0.0]), z.shape)
    up = np.where(np.abs(z[..., 1:2]) > 0.95, np.array([1.0, 0.0, 0.0]), up)
    x = np.cross(up, z)
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    middle = (left[..., 3] + right[..., 3]) / 2 + forward * x
    return np.concatenate([np.stack([x, np.cross(z, x), z], -1), middle[..., None]], -1)


def hanging(frame: Array) -> Array:
    """Return transforms [..., 3, 4] of an object that hangs from a hand, from the hand's frames; its y stays
    vertical."""
    across = frame[..., 2] * np.array([1.0, 0.0, 1.0])
    across = np.where(np.linalg.norm(across, axis=-1, keepdims=True) < 1e-3, np.array([1.0, 0.0, 0.0]), across)
    x = across / np.linalg.norm(across, axis=-1, keepdims=True)
    y = np.broadcast_to(np.array([0.0, 1.0, 0.0]), x.shape)
    return np.concatenate([np.stack([x, y, np.cross(x, y)], -1), frame[..., 3:]], -1)
