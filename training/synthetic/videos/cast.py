"""The people of a video: bodies, movements, objects and paths, drawn from a random state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.motion import POSITION, ROOT, axis_rotation, quaternion_multiply, rotate
from training.synthetic.motion.movement import ACTION_INDEX, TAG_INDEX, Rng
from training.synthetic.motion.skeleton import HIPS, draw_builds, joints
from training.synthetic.rendering.bodies.body_model import BodyModel
from training.synthetic.rendering.bodies.figure import Figure, draw_figure
from training.synthetic.rendering.objects import STANDING, make_chair, standing
from training.synthetic.rendering.scene import Posed, posed_object
from training.synthetic.rendering.staging import moved, open_bearing, place_people
from training.synthetic.rendering.surfaces.materials import Floats
from training.synthetic.sequences.scenes import Scene, draw_scene
from training.synthetic.videos.hands import Used, draw_hands, use_props
from training.synthetic.videos.settings import Settings

Array = NDArray[np.float64]

BYSTANDERS = (("stand", 0.5), ("walk", 0.25), ("sit", 0.25))
"""Actions of people who do not do the video's main action, with shares."""
WALKERS = ("walk", "run")
"""Actions that move away; the camera may follow them."""
_PATHS = (("across", 0.35), ("follow", 0.3), ("round", 0.35))
"""Paths of people who move: across the picture, followed by the camera, or in a circle."""
_FAR, _TOO_FAR = 2.5, 5.0
"""Metres from the middle of their path beyond which people go in a circle: with the path "round", and with any path."""
_TURN_RADIUS = (1.0, 2.2)
_APART = 0.35
"""Least distance between the joints of two people, in metres."""
_FACING = 0.7
"""Share of people with hand movements who roughly face the camera."""
_TRIES = 8
"""Attempts to draw a suitable movement or path, after which the best one is used."""
_LEAST_S = 0.8
"""Least time for which people do the video's action, in seconds."""
_SEATS = (0.25, 0.78)
"""Heights of seats in metres; lower ones are the floor."""


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """One person over I instants: limb poses [I, 39], joints [I, 17, 3] metres, the chest's direction `facing`
    [I, 3], bones' transforms [I, B, 3, 4], and the objects in use. `scene` has tags and true actions."""

    figure: Figure
    scene: Scene
    poses: Array
    points: Array
    facing: Array
    transforms: Floats
    used: list[Used]

    @property
    def stature(self) -> float:
        return float(self.figure.build.stature[0])


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """The people of a video, the direction from them to the camera (radians from x towards z), and whether the camera
    follows them."""

    actors: list[Actor]
    bearing: float
    follow: bool


def draw_cast(
    rng: Rng,
    library: MotionLibrary,
    model: BodyModel,
    settings: Settings,
    action: str,
    times: Array,
    *,
    held_out: bool,
) -> Cast:
    """Draw people at `times` [I] seconds: at least half of them do `action`, the others stand, walk or sit."""
    count = int(rng.choice(len(settings.people), p=settings.people)) + 1
    path = _pick(rng, _PATHS)
    follow = path == "follow" and action in WALKERS
    leading = count if follow else int(rng.integers((count + 1) // 2, count + 1))
    heading = rng.uniform(-np.pi, np.pi)
    places = place_people(rng, count)
    bearing = open_bearing(rng, [np.array([[[x, 0.0, z]]]) for x, z in places])
    actors: list[Actor] = []
    for number, place in enumerate(places):
        actors.append(
            _draw_actor(
                rng,
                library,
                model,
                settings,
                action if number < leading else _pick(rng, BYSTANDERS),
                times,
                place,
                heading + rng.normal(0, 0.15) if follow else None,
                bearing,
                round_about=path == "round",
                others=actors,
                held_out=held_out,
            )
        )
    return Cast(actors, bearing, follow)


def _draw_actor(
    rng: Rng,
    library: MotionLibrary,
    model: BodyModel,
    settings: Settings,
    action: str,
    times: Array,
    place: Array,
    heading: float | None,
    bearing: float,
    *,
    round_about: bool,
    others: Sequence[Actor],
    held_out: bool,
) -> Actor:
    build = draw_builds(rng, 1, held_out=held_out)
    figure = draw_figure(model, rng, build)
    scene = _draw_scene(rng, library, settings, action, times, held_out=held_out)
    leg, middle = float(build.leg[0]), len(times) // 2
    poses = scene.poses
    distance = np.linalg.norm((poses[:, POSITION] - poses[middle, POSITION])[:, [0, 2]], axis=1).max() * leg
    if heading is None and distance > (_FAR if round_about else _TOO_FAR):
        radius = rng.uniform(*_TURN_RADIUS) * rng.choice([-1.0, 1.0])
        poses = bent(poses, times, radius / leg)
    _, facing = joints(poses[None], build)
    ahead = float(np.arctan2(-facing[0, middle, 2], facing[0, middle, 0]))
    candidates: list[tuple[float, int, Array, Array, Array]] = []
    for attempt in range(_TRIES):
        if heading is not None:
            turn = heading - ahead
        elif scene.faces_camera and rng.random() < _FACING:
            turn = -bearing - ahead + rng.normal(0, 0.6)
        else:
            turn = rng.uniform(-np.pi, np.pi)
        at = place + rng.normal(0, 0.2 * attempt, 2)
        tried = moved(poses, leg, at, turn, middle)
        points, facing = joints(tried[None], build)
        candidates.append((_clearance(points[0], others), attempt, tried, points[0], facing[0]))
        if candidates[-1][0] >= _APART:
            break
    _, _, poses, points, facing = max(candidates, key=lambda one: one[:1])
    hands = draw_hands(rng, scene.tags, scene.props)
    transforms = figure.transforms(poses, hands)
    used = use_props(rng, figure, poses, points, transforms, scene.props)
    return Actor(figure, scene, poses, points, facing, transforms, used)


def _draw_scene(
    rng: Rng, library: MotionLibrary, settings: Settings, action: str, times: Array, *, held_out: bool
) -> Scene:
    """Draw a scene that shows `action` for some time."""
    wanted = min(_LEAST_S, 0.5 * float(times[-1] - times[0]))
    lasting = float(times[-1] - times[0]) / len(times)
    scenes: list[tuple[float, Scene]] = []
    for _ in range(_TRIES):
        scene = draw_scene(
            rng,
            library,
            times,
            held_out=held_out,
            action=action,
            change_share=settings.change_share,
            latest_change=settings.latest_change,
        )
        scenes.append((lasting * float((scene.action == ACTION_INDEX[action]).sum()), scene))
        if scenes[-1][0] >= wanted:
            break
    return max(scenes, key=lambda one: one[0])[1]


def _pick(rng: Rng, options: Sequence[tuple[str, float]]) -> str:
    return options[int(rng.choice(len(options), p=[share for _, share in options]))][0]


def _clearance(points: Array, others: Sequence[Actor], every: int = 6) -> float:
    """Return the least distance in metres of a person's joints [I, 17, 3] to the others', at every sixth instant."""
    nearest = np.inf
    for other in others:
        gaps = points[::every, :, None] - other.points[::every, None]
        nearest = min(nearest, float(np.linalg.norm(gaps, axis=-1).min()))
    return nearest


def bent(poses: Array, times: Array, radius: float) -> Array:
    """Return limb poses [I, 39] of a straight path bent to a circle of `radius` leg lengths (left if positive)."""
    out = poses.copy()
    path = poses[:, POSITION] * np.array([1.0, 0.0, 1.0])
    # The pelvis sways, so the path is averaged over half a second.
    reach = max(1, round(0.25 * len(times) / max(float(times[-1] - times[0]), 0.1)))
    padded = np.pad(path, ((reach, reach), (0, 0)), "edge")
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), 0)
    smooth = (sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)
    distance = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(smooth, axis=0), axis=1))])
    turns = axis_rotation(1, distance / radius)
    between = axis_rotation(1, (distance[:-1] + distance[1:]) / (2 * radius))
    steps = rotate(between, np.diff(path, axis=0))
    out[1:, POSITION] = path[0] + np.cumsum(steps, 0)
    out[:, POSITION.start + 1] = poses[:, POSITION.start + 1]
    out[:, ROOT] = quaternion_multiply(turns, poses[:, ROOT])
    return out


def seats(rng: Rng, actor: Actor) -> list[Posed]:
    """Return a chair or stool for a person who sits at a seat's height, and a table if it hides their legs."""
    sits = actor.scene.tags[:, TAG_INDEX["sit"]] > 0.5
    if sits.mean() < 0.1:
        return []
    hips = actor.points[sits][:, HIPS].mean(1)
    hip = np.median(hips, 0)
    seat = float(hip[1]) - 0.05 * actor.stature
    if not _SEATS[0] < seat < _SEATS[1] or np.abs(hips - hip).max() > 0.35:
        return []
    forward = rotate(actor.poses[sits][len(hips) // 2, ROOT], np.array([1.0, 0.0, 0.0]))
    forward = forward * np.array([1.0, 0.0, 1.0]) / max(float(np.linalg.norm(forward[[0, 2]])), 1e-6)
    turn = float(np.arctan2(-forward[2], forward[0]))
    floor = hip * np.array([1.0, 0.0, 1.0])
    out = [posed_object(make_chair(rng, seat), standing(floor + 0.05 * forward, turn))]
    if actor.scene.hide_legs:
        table = STANDING["table"](rng)
        deep = float(table.mesh.vertices[:, 0].max())
        out.append(posed_object(table, standing(floor + (0.3 + deep) * forward, turn)))
    return out
