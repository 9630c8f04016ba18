"""The truth of a frame as a Kinetics-TPS annotation: integer boxes, one verb per part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from training.kinetics_tps.annotations import AnnotatedFrame, AnnotatedObject, AnnotatedPart, AnnotatedPerson, Box
from training.synthetic.videos.film import Shot
from training.synthetic.videos.observation import Observed

VERB_ORDER = (
    "strike", "kick", "throw", "applaud", "wave", "grab", "carry", "push", "hold", "tiptoe", "jump", "crouch", "sit",
    "lie", "stoop", "swing", "step", "turn", "raise", "lower", "bend", "unbend", "stand", "none",
)  # fmt: skip
"""Order in which the verb is chosen from a part's true states, most specific first; other states come before all."""
_LEAST_OBJECT_PIXELS = 6


def verb_of(states: Iterable[str]) -> str:
    """Return the verb of a part with these states; `none` without any."""
    rank = {verb: at for at, verb in enumerate(VERB_ORDER)}
    return min(states, key=lambda state: rank.get(state, -1), default="none")


def annotated(shot: Shot, people: Sequence[Observed]) -> AnnotatedFrame:
    """Return a frame's annotation: the people in the truth, their visible parts, and the objects that they use."""
    humans = tuple(
        AnnotatedPerson(
            number=one.person.number,
            box=pixel_box(one.person.box),
            parts={
                name: AnnotatedPart(one.person.number, pixel_box(box), verb_of(one.person.states.get(name, ())), name)
                for name, box in one.parts.items()
            },
        )
        for one in people
    )
    objects: list[AnnotatedObject] = []
    for row, (_, name) in enumerate(shot.objects, shot.people):
        if shot.rendering.visible[row, 0] >= _LEAST_OBJECT_PIXELS:
            objects.append(AnnotatedObject(len(objects) + 1, pixel_box(shot.rendering.boxes[row, 0].tolist()), name))
    return AnnotatedFrame(shot.row + 1, humans, tuple(objects))


def pixel_box(edges: Sequence[float]) -> Box:
    """Return the annotated box, which includes the pixels x2 and y2, for outer edges."""
    x1, y1, x2, y2 = edges
    left, top = math.floor(x1), math.floor(y1)
    return (left, top, max(left, math.ceil(x2) - 1), max(top, math.ceil(y2) - 1))
