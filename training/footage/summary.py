"""Figures of scored footage: by label, by clip, and by score threshold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from training.footage.labels import Half
from training.footage.scoring import ClassSeconds, Extra, Judged, Selective, by_class, selective

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MISSED, UNANSWERED = "(missed)", "(no answer)"


class ClipScore(NamedTuple):
    """One clip's half against one labeller. `picture`: (width, height) that the detector saw; `extras`: the predicted
    people without a label."""

    clip: str
    picture: tuple[int, int]
    half: Half
    labeller: str
    judged: list[Judged]
    extras: list[Extra]

    @property
    def extra_seconds(self) -> float:
        """Person-seconds of predicted people without a label."""
        return sum(one.seconds for one in self.extras)


def seconds_by_answer(judged: Iterable[Judged]) -> dict[str, dict[str, float]]:
    """Return the person-seconds of each true label by answer, most first, including `MISSED` and `UNANSWERED`."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in judged:
        found[one.truth][MISSED if one.missed else one.answer or UNANSWERED] += one.seconds
    return {
        truth: dict(sorted(answers.items(), key=lambda entry: (-entry[1], entry[0])))
        for truth, answers in sorted(found.items())
    }


def total(judged: Sequence[Judged]) -> ClassSeconds:
    """Return the person-seconds of all labels together."""
    classes = by_class(judged)
    return ClassSeconds(
        total=sum(one.total for one in classes.values()),
        right=sum(one.right for one in classes.values()),
        missed=sum(one.missed for one in classes.values()),
        unanswered=sum(one.unanswered for one in classes.values()),
    )


def by_threshold(judged: Sequence[Judged], extras: Sequence[Extra]) -> dict[float, Selective]:
    """Return precision and coverage by threshold."""
    return {threshold: selective(judged, threshold, extras) for threshold in THRESHOLDS}


def as_json(scores: Sequence[ClipScore]) -> dict[str, Any]:
    """Return the scores of one half against one labeller as plain values, with every instant."""
    judged = [one for score in scores for one in score.judged]
    return {
        **_figures(judged, [one for score in scores for one in score.extras]),
        "extra": round(sum(score.extra_seconds for score in scores), 3),
        "clips": {
            score.clip: {
                "detector_picture": list(score.picture),
                **_figures(score.judged, score.extras),
                "extra": round(score.extra_seconds, 3),
                "instants": [
                    {name: value for name, value in one._asdict().items() if name != "clip"} for one in score.judged
                ],
            }
            for score in scores
        },
    }


def _figures(judged: Sequence[Judged], extras: Sequence[Extra]) -> dict[str, Any]:
    answers = seconds_by_answer(judged)
    return {
        "labels": {
            truth: {
                "person_seconds": round(seconds.total, 3),
                "right": round(seconds.right, 3),
                "missed": round(seconds.missed, 3),
                "other_or_nothing": round(seconds.unanswered, 3),
                "answers": {answer: round(value, 3) for answer, value in answers[truth].items()},
            }
            for truth, seconds in by_class(judged).items()
        },
        "at_least": {
            f"{threshold:g}": {
                "precision": _rounded(found.precision),
                "coverage": _rounded(found.coverage),
                "precision_all": _rounded(found.precision_all),
            }
            for threshold, found in by_threshold(judged, extras).items()
        },
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
