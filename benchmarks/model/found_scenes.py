"""Drawn clips of a fixed camera for `benchmarks.model.found`: people of a chosen height.

A clip depends only on the picture's size and its seed. Pictures have the camera's noise, and are not compressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import av
import numpy as np
from numpy.typing import NDArray

from stages.third_party import weights
from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.movement import Rng
from training.synthetic.motion.skeleton import draw_builds, joints
from training.synthetic.rendering.backdrop import backdrop
from training.synthetic.rendering.bodies.body_model import load_body
from training.synthetic.rendering.bodies.figure import Figure, draw_figure
from training.synthetic.rendering.camera import Camera as View
from training.synthetic.rendering.effects import Effects, develop, draw_effects, meter
from training.synthetic.rendering.objects import make_ball
from training.synthetic.rendering.scene import Posed, Rendering, Scene, posed_object, posed_person, render
from training.synthetic.rendering.staging import Stage, contacts, draw_stage, moved
from training.synthetic.sequences.scenes import draw_scene

Array = NDArray[np.float64]
Size = tuple[int, int]

RATE = 10
"""Frames per second."""
PEOPLE_S = 3.0
"""Length of clips."""
ACTIONS = ("walk", "stand")
"""Of people; nearly half of them also gesture."""
_EXPOSURE_S = 1 / 100
_ADULT_M = (1.5, 1.95)
"""Stature of the people: a clip has one height in pixels."""
_MEAN_M = 1.7
_SPREAD = 0.38
"""Distance of people from the middle at most, as a share of the picture's width."""
_APART_M = 1.0
_BEHIND_M = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The people in a frame: boxes [K, 4] of what is visible, in pixels, and visible shares [K]."""

    boxes: Array
    shares: Array


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Frames, each with its time in µs, and the people in each."""

    name: str
    frames: list[tuple[av.VideoFrame, int]]
    truth: list[Truth]


class FixedCamera:
    """Draws clips of (width, height) `size`.

    Raises `WeightsError` if bodies or motions are not installed.
    """

    def __init__(self, size: Size, seed: int) -> None:
        self._size, self._seed = size, seed
        self._library = MotionLibrary(weights.locate("motion"))
        self._model = load_body()

    def people(self, number: int, height: float, count: int) -> Clip:
        """Draw `count` people who stand or walk across the picture and are about `height` pixels tall."""
        rng = np.random.default_rng([self._seed, 0, number])
        opening = np.arange(round(PEOPLE_S * RATE)) / RATE
        times = np.stack([opening, opening + _EXPOSURE_S], -1).reshape(-1)
        bearing = rng.uniform(-np.pi, np.pi)
        figures: list[Figure] = []
        poses: list[Array] = []
        for place in self._places(rng, count, height, bearing):
            build = draw_builds(rng, 1)
            while not _ADULT_M[0] <= float(build.stature[0]) <= _ADULT_M[1]:
                build = draw_builds(rng, 1)
            action = ACTIONS[int(rng.integers(len(ACTIONS)))]
            scene = draw_scene(rng, self._library, times, held_out=False, action=action, change_share=0.0)
            figures.append(draw_figure(self._model, rng, build))
            turn = rng.uniform(-np.pi, np.pi)
            poses.append(moved(scene.poses, float(build.leg[0]), place, turn, len(times) // 2))
        paths = [joints(one[None], figure.build)[0][0] for one, figure in zip(poses, figures, strict=True)]
        statures = [float(figure.build.stature[0]) for figure in figures]
        stage = draw_stage(
            rng, paths, statures, self._size, pixels=(height, height), bearing=bearing, seconds=PEOPLE_S, clutter=0.5
        )
        view = stage.camera.at(0.0)
        transforms = [figure.transforms(one) for figure, one in zip(figures, poses, strict=True)]
        nearest = np.max([_heights(view, [path[row] for path in paths], statures) for row in (0, -1)], 0)
        figures = [figure.for_height(float(pixels)) for figure, pixels in zip(figures, nearest, strict=True)]

        still = backdrop(stage.surroundings, view, stage.light)
        depth = _depth_anchor(stage)
        effects: Effects = replace(draw_effects(rng), jpeg=0)
        gain = None
        clip = Clip(f"people-{number}", [], [])
        for row in range(len(opening)):
            moments = slice(2 * row, 2 * row + 2)
            people = [posed_person(figure, one[moments]) for figure, one in zip(figures, transforms, strict=True)]
            ground = contacts([path[moments].mean(0) for path in paths], statures)
            drawn = render(
                Scene(people, [*stage.furniture, depth], (view, view), stage.light, stage.surroundings, ground), still
            )
            gain = gain or meter(drawn.light)
            picture = develop(drawn.light, effects, gain, rng)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            clip.frames.append((frame, round(row * 1_000_000 / RATE)))
            clip.truth.append(_truth(drawn, count))
        return clip

    def _places(self, rng: Rng, count: int, height: float, bearing: float) -> Array:
        """Return places [count, 2] on the ground (x, z metres), side by side as seen from the camera."""
        across = np.array([-np.sin(bearing), np.cos(bearing)])
        reach = _SPREAD * self._size[0] * _MEAN_M / height
        along = rng.uniform(-reach, reach, count)
        for _ in range(100):
            if count == 1 or np.diff(np.sort(along)).min() > _APART_M:
                break
            along = rng.uniform(-reach, reach, count)
        towards = np.array([np.cos(bearing), np.sin(bearing)])
        return along[:, None] * across + rng.uniform(-1, 1, (count, 1)) * towards


def _depth_anchor(stage: Stage) -> Posed:
    """Return a thing without extent, far behind the ground as seen from the sun.

    The renderer takes ground for shaded that is further from the sun than anything, by more than their depth. Between
    people who stand far apart there is such ground.
    """
    far = stage.camera.target - _BEHIND_M * stage.light.towards
    return posed_object(make_ball(np.random.default_rng(0)), np.concatenate([np.zeros((3, 3)), far[:, None]], 1))


def _truth(drawn: Rendering, count: int) -> Truth:
    """Return the first `count` things that were drawn, which are the people."""
    corners = drawn.boxes[:count].astype(np.float64)
    boxes = np.concatenate([corners[:, :, :2].min(1), corners[:, :, 2:].max(1)], 1)
    return Truth(boxes, drawn.visible_share[:count].astype(np.float64))


def _heights(view: View, now: Sequence[Array], statures: Sequence[float]) -> Array:
    """Return statures [K] in pixels, from joints [17, 3] and statures in metres."""
    _, depth = view.project(np.stack(now))
    return view.focal * np.array(statures) / depth.mean(1)
