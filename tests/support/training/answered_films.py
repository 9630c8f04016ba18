"""Films written as text: one letter per frame for the label and for each person's answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from training.scoring.films import AnsweredFilm, SeenPerson, Segment

NAMES = {"w": "walk", "s": "stand", "f": "fall", "l": "lie", "j": "jump", "o": "other", "p": "punch"}
"""Letters; a blank is no label, no person, and `?` is a person without an answer yet."""


def film(
    labels: str,
    *people: str,
    fps: float = 10.0,
    name: str = "film",
    smoothed: Sequence[str] | None = None,
    score: float = 0.75,
    person: str = "",
    kind: str = "",
) -> AnsweredFilm:
    """Return a film of `len(labels)` frames. Each of `people` is a string as long; the first has the largest box.

    `smoothed`: the people's smoothed answers, if they differ from the others.
    """
    spans: list[Segment] = []
    at = 0
    for letter, group in groupby(labels):
        length = len(list(group))
        if letter != " ":
            spans.append(Segment(at, at + length, NAMES[letter]))
        at += length
    answers: dict[int, tuple[SeenPerson, ...]] = {}
    for frame in range(len(labels)):
        here = tuple(
            _person(track, line[frame], (smoothed or people)[track - 1][frame], score)
            for track, line in enumerate(people, 1)
            if line[frame] != " "
        )
        if here:
            answers[frame] = here
    return AnsweredFilm(name, len(labels), fps, tuple(spans), answers, person, kind)


def _person(track: int, label: str, smoothed: str, score: float) -> SeenPerson:
    box = (0.0, 0.0, 10.0, 60.0 / track)
    if label == "?":
        return SeenPerson(track, box, None, 0.0, None, 0.0)
    return SeenPerson(track, box, NAMES[label], score, NAMES[smoothed], score / 2)
