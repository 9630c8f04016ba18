"""Small scenes for tests of `training.synthetic.rendering`: a person in plain clothes, a box, a plain room."""

from __future__ import annotations

import functools

import numpy as np

from training.synthetic.motion.motion import POSITION, Array
from training.synthetic.motion.movement import upright
from training.synthetic.motion.skeleton import Builds, draw_builds
from training.synthetic.rendering.bodies.body_model import load_body
from training.synthetic.rendering.bodies.body_shape import Phenotype, shaped
from training.synthetic.rendering.bodies.clothing import ShapedBody
from training.synthetic.rendering.bodies.figure import Figure, draw_figure, dressed
from training.synthetic.rendering.bodies.heads import HeadStyle
from training.synthetic.rendering.bodies.outfits import Bottom, Outfit, Top
from training.synthetic.rendering.camera import Camera, look_at
from training.synthetic.rendering.light import Light
from training.synthetic.rendering.objects import RigidObject
from training.synthetic.rendering.scene import Posed, Scene, posed_person
from training.synthetic.rendering.surfaces.materials import PLAIN, Material, Rng, cloth_colour, pack
from training.synthetic.rendering.surfaces.mesh import joined
from training.synthetic.rendering.surfaces.shapes import ball, cuboid
from training.synthetic.rendering.surroundings import SMOOTH, Plane, Surroundings, pack_planes

SIZE = (96, 96)
OVERHEAD = Light(np.array([0.0, 1.0, 0.0]), np.ones(3), 0.5 * np.ones(3), 0.3 * np.ones(3), 0.01)


@functools.cache
def build(seed: int = 0, *, held_out: bool = False) -> Builds:
    return draw_builds(np.random.default_rng(seed), 1, held_out=held_out)


@functools.cache
def random_figure(seed: int = 0) -> Figure:
    """Return a person drawn at random from the seed."""
    return draw_figure(load_body(), np.random.default_rng(seed), build(seed))


def plain_outfit(rng: Rng) -> Outfit:
    """Return a T-shirt, trousers and shoes of one colour each."""
    cloths = [Material(cloth_colour(rng), pattern=PLAIN, grain=0.0) for _ in range(3)]
    return Outfit(
        tops=(Top(cloths[0], 0.6, 0.0, 0.4, 0.004),),
        bottom=Bottom(cloths[1], 1.93, 0.4),
        skirt=None,
        shoe=cloths[2],
        sole=None,
        sock=None,
        shaft=1.9,
        gloves=None,
        hat=None,
        sunglasses=False,
    )


@functools.cache
def plain_person() -> Figure:
    """Return an average person with short hair, T-shirt, trousers and shoes."""
    model, rng = load_body(), np.random.default_rng(0)
    phenotype = Phenotype(0.5, 0.5, 0.5, (0.0, 1.0, 0.0), (0.3, 0.3, 0.4))
    body = ShapedBody.of(model, shaped(model, phenotype))
    head = HeadStyle(0.01, 0.0, False, 0.0, 0.5, 0.5)
    return dressed(model, rng, build(), phenotype, body, plain_outfit(rng), head)


def standing_poses(x: float = 0.0, z: float = 0.0, count: int = 2) -> Array:
    """Return limb poses of a person who stands at (x, z) and faces +x."""
    poses = upright(np.zeros(count))
    poses[:, POSITION] += np.array([x, 0.0, z]) / float(build().leg[0])
    return poses


def person(x: float = 0.0, z: float = 0.0) -> Posed:
    figure = plain_person()
    return posed_person(figure, figure.transforms(standing_poses(x, z)))


def block(low: tuple[float, float, float], high: tuple[float, float, float]) -> RigidObject:
    return RigidObject("block", joined([cuboid(low, high)]), pack([Material((0.8, 0.1, 0.1), grain=0.0)]))


def marker(radius: float = 0.03) -> RigidObject:
    return RigidObject("marker", ball(radius), pack([Material((0.8, 0.8, 0.1), grain=0.0)]))


def unmoved() -> Array:
    return np.eye(3, 4)


def front_camera(distance: float = 4.0, size: tuple[int, int] = SIZE) -> Camera:
    """Return a camera in front, at hip height; a person takes about 0.8 of the picture's height."""
    focal = 0.8 * size[1] * distance / 1.8
    return look_at(np.array([distance, 0.9, 0.0]), np.array([0.0, 0.9, 0.0]), focal=focal, size=size)


def plain_ground() -> Surroundings:
    grey = (0.4, 0.4, 0.4)
    ground = Plane(
        (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (-50, 50, -50, 50), SMOOTH, (1.0, 1.0), grey, grey, grain=0.0
    )
    blue = np.array([0.3, 0.5, 0.8], np.float32)
    return Surroundings(pack_planes([ground]), blue, blue, 0.0, False)


def scene(people: list[Posed], objects: list[Posed], camera: Camera | None = None) -> Scene:
    view = camera or front_camera()
    return Scene(people, objects, (view, view), OVERHEAD, plain_ground())
