"""The truth about a frame as somebody would annotate it in Kinetics-TPS: integer boxes, one verb a part. Pure."""

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
"""Of a part's true states the one that says most comes first; a state that isn't here, before all of these."""
_LEAST_OBJECT_PIXELS = 6


def verb_of(states: Iterable[str]) -> str:
    """The one verb that an annotation has for a part of those states; `none` if there are none."""
    rank = {verb: at for at, verb in enumerate(VERB_ORDER)}
    return min(states, key=lambda state: rank.get(state, -1), default="none")


def annotated(shot: Shot, people: Sequence[Observed]) -> AnnotatedFrame:
    """A frame's annotation: everybody in the truth, their visible parts, the things that they use."""
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
    """A box whose x2 and y2 are inside it, from its outer edges."""
    x1, y1, x2, y2 = edges
    left, top = math.floor(x1), math.floor(y1)
    return (left, top, max(left, math.ceil(x2) - 1), max(top, math.ceil(y2) - 1))
