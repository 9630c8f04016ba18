"""Both checkpoints on the packaged real footage, by person and action."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from training.footage.scoring import Judged
from training.gate.decision import LabelledPerson


def labelled_people(old: Sequence[Judged], new: Sequence[Judged]) -> list[LabelledPerson]:
    """Return the answers by person and action. Both judge the same labelled instants."""
    instants, right_old, right_new = (
        Counter((one.clip, one.person, one.truth) for one in judged) for judged in (old, _right(old), _right(new))
    )
    return [
        LabelledPerson(f"{clip}/{person}", truth, count, right_old[key], right_new[key])
        for key, count in sorted(instants.items())
        for clip, person, truth in [key]
    ]


def _right(judged: Sequence[Judged]) -> list[Judged]:
    return [one for one in judged if one.answer == one.truth]
