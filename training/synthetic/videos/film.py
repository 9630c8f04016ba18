"""Filming a cast: one picture after another, with the visible people. The same random state gives the same film."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.movement import Rng
from training.synthetic.rendering.backdrop import backdrop
from training.synthetic.rendering.bodies.body_model import BodyModel
from training.synthetic.rendering.bodies.figure import Figure
from training.synthetic.rendering.camera import Camera
from training.synthetic.rendering.effects import Effects, develop, draw_effects, meter
from training.synthetic.rendering.scene import Posed, Rendering, Scene, posed_person, render
from training.synthetic.rendering.staging import MOTIONS, Stage, contacts, draw_stage
from training.synthetic.videos.cast import Cast, draw_cast, seats
from training.synthetic.videos.settings import Settings, VideoFormat

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_ABOVE = -0.15
"""A camera looks down if its line of sight falls by more than this per metre."""
_ADAPTING = 0.5
"""Share of cameras whose exposure adapts to the light; the others keep that of the first picture."""
_ADAPTATION_S = 2.0
_METERED = 4
"""A camera meters every fourth pixel across and down."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture uint8 [H, W, 3]: the frame's `row` from 0, and its `rendering` by the `camera` in the middle of the
    exposure. The rendering has `people` people first, then their `objects` (owner's row, name), then furniture."""

    row: int
    picture: Pixels
    rendering: Rendering
    camera: Camera
    people: int
    objects: list[tuple[int, str]]


class Film:
    """A video's cast, stage and camera, and its pictures; `shots` can be iterated once."""

    def __init__(
        self,
        rng: Rng,
        model: BodyModel,
        library: MotionLibrary,
        settings: Settings,
        video_format: VideoFormat,
        action: str,
        *,
        held_out: bool,
    ) -> None:
        self._rng, self.video_format = rng, video_format
        self.cast: Cast = draw_cast(rng, library, model, settings, action, video_format.instants, held_out=held_out)
        actors = self.cast.actors
        self.stage: Stage = draw_stage(
            rng,
            [actor.points for actor in actors],
            [actor.stature for actor in actors],
            video_format.size,
            pixels=settings.stature,
            bearing=self.cast.bearing,
            seconds=float(video_format.closing[-1]),
            follow=self.cast.follow,
            clutter=settings.clutter,
            held_out=held_out,
        )
        self._furniture: list[Posed] = [
            *self.stage.furniture,
            *(seat for actor in actors for seat in seats(rng, actor)),
        ]
        # The whole clip is compressed later, so single pictures are not.
        self._effects: Effects = replace(draw_effects(rng), jpeg=0)
        self._adapts = bool(rng.random() < _ADAPTING)

    @property
    def camera_name(self) -> str:
        return MOTIONS[self.stage.camera.kind]

    @property
    def looks_down(self) -> bool:
        return bool(self.stage.camera.at(0.0).axes[2, 1] < _ABOVE)

    def shots(self) -> Iterator[Shot]:
        """Yield every frame of the video, in order."""
        path, light = self.stage.camera, self.stage.light
        figures = self._figures()
        still = backdrop(self.stage.surroundings, path.at(0.0), light) if path.still else None
        gain = None
        for row, (opening, closing) in enumerate(
            zip(self.video_format.opening, self.video_format.closing, strict=True)
        ):
            people, things, names = self._posed(figures, row)
            cameras = (path.at(float(opening)), path.at(float(closing)))
            ground = contacts(
                [actor.points[2 * row : 2 * row + 2].mean(0) for actor in self.cast.actors],
                [actor.stature for actor in self.cast.actors],
            )
            scene = Scene(people, [*things, *self._furniture], cameras, light, self.stage.surroundings, ground)
            drawn = render(scene, still)
            wanted = meter(drawn.light[::_METERED, ::_METERED])
            if gain is None:
                gain = wanted
            elif self._adapts:
                gain *= float(wanted / gain) ** (1 / (_ADAPTATION_S * self.video_format.rate))
            picture = develop(drawn.light, self._effects, gain, self._rng)
            yield Shot(row, picture, drawn, path.at(float((opening + closing) / 2)), len(people), names)

    def _figures(self) -> list[Figure]:
        """Return each person's figure with the detail needed where they are nearest."""
        out: list[Figure] = []
        cameras = [self.stage.camera.at(float(time)) for time in self.video_format.opening]
        for actor in self.cast.actors:
            depths = [camera.project(actor.points[2 * row])[1].min() for row, camera in enumerate(cameras)]
            focal = cameras[0].focal
            out.append(actor.figure.for_height(focal * actor.stature / max(float(min(depths)), 0.5)))
        return out

    def _posed(self, figures: list[Figure], row: int) -> tuple[list[Posed], list[Posed], list[tuple[int, str]]]:
        """Return people, the objects they use, and each object's owner's row and name."""
        moments = slice(2 * row, 2 * row + 2)
        people = [
            posed_person(figure, actor.transforms[moments])
            for figure, actor in zip(figures, self.cast.actors, strict=True)
        ]
        things: list[Posed] = []
        names: list[tuple[int, str]] = []
        for owner, actor in enumerate(self.cast.actors):
            for used in actor.used:
                if used.shown[moments].all():
                    vertices = used.thing.at(used.places[moments])
                    things.append(Posed(used.thing.mesh, used.thing.materials, vertices))
                    names.append((owner, used.thing.name))
        return people, things, names
