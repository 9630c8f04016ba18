"""Objects that people hold: the grip of their hands, and each object's place at every instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.motion import CHEST, ROOT, axis_rotation, quaternion_multiply, rotate
from training.synthetic.motion.movement import TAG_INDEX, Prop, Rng
from training.synthetic.motion.skeleton import SHOULDERS
from training.synthetic.rendering.bodies.figure import Figure
from training.synthetic.rendering.bodies.posing import Hands, matrices
from training.synthetic.rendering.objects import (
    CARRIED,
    HELD,
    UPRIGHT,
    RigidObject,
    between_hands,
    hanging,
    make_backpack,
    make_bag,
)
from training.synthetic.rendering.surfaces.materials import Floats

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MAKERS = {**HELD, **CARRIED, "bag": make_bag, "backpack": make_backpack}
"""Makers of the objects that people use, by name."""
OBJECTS = tuple(MAKERS)

_CLOSED = 0.85
_FIST, _FLAT = 1.0, 0.08
_STAND_ON_END = ("bottle", "cup")
_PALM = 0.06
"""Largest radius of a ball for juggling, in metres."""
_LOADS = ("bag", "box", "backpack", "barbell")
_GROWN = 1.7
"""Stature that loads are made for, in metres."""


@dataclass(frozen=True, slots=True, eq=False)
class Used:
    """An object in use over a clip: its places [I, 3, 4] for I instants, and whether it is there, [I]."""

    thing: RigidObject
    places: Array
    shown: Flags


def draw_hands(rng: Rng, tags: Array, props: Sequence[Prop]) -> Hands:
    """Return hands over I instants, from tags [I, K]: closed around objects, fists to strike, flat to clap, wave and
    push, otherwise relaxed."""
    count = len(tags)
    grip = np.full((count, 2), rng.uniform(0.1, 0.6))
    for side, short in enumerate("lr"):
        for name, wanted in (("strike", _FIST), ("wave", _FLAT), ("applaud", _FLAT), ("push", _FLAT)):
            does = np.clip(tags[:, TAG_INDEX[f"{name}_{short}"]], 0, 1)
            grip[:, side] += does * (wanted - grip[:, side])
    for prop in props:
        for side in {"left": (0,), "right": (1,), "both": (0, 1), "free": ()}[prop.held]:
            grip[:, side] = np.where(prop.shown > 0.5, _CLOSED, grip[:, side])
    return Hands(grip, np.tile(rng.normal(0, 0.4, 2), (count, 1)))


def use_props(
    rng: Rng, figure: Figure, poses: Array, points: Array, transforms: Floats, props: Sequence[Prop]
) -> list[Used]:
    """Return the objects of `props` at their places, given limb poses [I, 39], joints [I, 17, 3] metres and bones'
    transforms [I, B, 3, 4]. Objects that never appear are left out."""
    out: list[Used] = []
    made: dict[tuple[str, int], RigidObject] = {}
    flying = [prop.shown > 0.5 for prop in props if prop.name == "ball" and prop.held == "free"]
    juggled = bool(flying) and int(np.sum(flying, 0).max()) > 1
    for prop in props:
        shown = prop.shown > 0.5
        if shown.any():
            thing = made.get((prop.name, prop.thing)) if prop.thing is not None else None
            if thing is None:
                thing = _fitting(MAKERS[prop.name](rng), float(figure.build.stature[0]))
                while juggled and prop.name == "ball" and np.abs(thing.mesh.vertices).max() > _PALM:
                    thing = MAKERS[prop.name](rng)
            if prop.thing is not None:
                made[prop.name, prop.thing] = thing
            places = _places(rng, figure, poses, points, transforms, prop, thing)
            out.append(Used(thing, _above_ground(thing, places), shown))
    return out


def _places(
    rng: Rng, figure: Figure, poses: Array, points: Array, transforms: Floats, prop: Prop, thing: RigidObject
) -> Array:
    if prop.name == "backpack":
        # Its x axis is forward and y is up, as in the back's frame.
        return figure.back_frames(transforms)
    if prop.held == "free":
        return _along(rng, figure, poses, points, prop)
    if prop.held == "both":
        left, right = (figure.hand_frames(transforms, side) for side in (0, 1))
        if prop.name in ("bat", "stick"):
            return right
        forward = float(np.abs(thing.mesh.vertices[:, 0]).max()) * 0.7 if prop.name == "box" else 0.0
        return between_hands(left, right, forward)
    frames = figure.hand_frames(transforms, 0 if prop.held == "left" else 1)
    if prop.name == "bag":
        return hanging(frames)
    if prop.name == "ball":
        # The ball is in front of the palm, not in it.
        radius = float(np.abs(thing.mesh.vertices).max())
        frames = frames.copy()
        frames[..., 3] += radius * frames[..., 1]
    return frames


def _along(rng: Rng, figure: Figure, poses: Array, points: Array, prop: Prop) -> Array:
    """Return the places [I, 3, 4] on a free object's path. It does not turn; bottles and cups stand, long ones lie."""
    if prop.path is None:
        raise ValueError(f"prop {prop.name!r}: it is free, so it needs a path")
    chest = quaternion_multiply(poses[:, ROOT], poses[:, CHEST])
    middle = points[:, SHOULDERS].mean(1)
    at = middle + rotate(chest, prop.path * float(figure.build.arm[0]))
    if prop.name == "ball":
        turned = rng.standard_normal(4)
        axes = matrices(turned / np.linalg.norm(turned))
    else:
        axes = matrices(axis_rotation(1, rng.uniform(-np.pi, np.pi)))
        if prop.name in _STAND_ON_END:
            axes = axes @ UPRIGHT
    return np.concatenate([np.broadcast_to(axes, (len(at), 3, 3)), at[..., None]], -1)


def _fitting(thing: RigidObject, stature: float) -> RigidObject:
    """Return a load scaled to the person's stature; children have smaller ones."""
    if thing.name not in _LOADS:
        return thing
    factor = np.float32(np.clip(stature / _GROWN, 0.5, 1.0))
    return replace(thing, mesh=replace(thing.mesh, vertices=thing.mesh.vertices * factor))


def _above_ground(thing: RigidObject, places: Array) -> Array:
    """Return the places, lifted where the object would be below the ground."""
    low = thing.at(places)[..., 1].min(-1)
    out = places.copy()
    out[:, 1, 3] += np.maximum(0.0, -low)
    return out
