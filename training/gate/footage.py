"""Both checkpoints on the packaged real footage, by person and action."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from training.footage.judging import Judged
from training.gate.decision import LabelledPerson

_CAMERA = re.compile(r"-cam\d+$")
"""The end of the name of a clip that is one camera's of a take. Each camera numbers the people by itself."""


def labelled_people(old: Sequence[Judged], new: Sequence[Judged]) -> list[LabelledPerson]:
    """Return the answers by person and action. Both judge the same labelled instants.

    The people of a take that several cameras recorded are one unit, because the cameras show the same moments.
    """
    instants, right_old, right_new = (
        Counter((one.clip, one.person, one.truth) for one in judged) for judged in (old, _right(old), _right(new))
    )
    return [
        LabelledPerson(_unit(clip, person), truth, count, right_old[key], right_new[key])
        for key, count in sorted(instants.items())
        for clip, person, truth in [key]
    ]


def _unit(clip: str, person: int | str) -> str:
    take, cameras = _CAMERA.subn("", clip)
    return take if cameras else f"{clip}/{person}"


def _right(judged: Sequence[Judged]) -> list[Judged]:
    return [one for one in judged if one.answer == one.truth]
