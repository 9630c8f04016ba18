"""The labels of films in place of a person who reviews: what they would say of an event, and what is not told.

Labels have no boxes and describe a film's main person. So a verdict is given only on the largest person, except that a
fall event of any person is judged, because all falls of a labelled film are labelled. What cannot be told is skipped,
as a person would skip it:

- an event mostly in frames without a label, or of a person who is not the largest;
- an event in the change to or from its action: a person who sits down is not a wrong `sit`.

A short action, such as a fall, is over in a second, and labels are good to half a second. Its event is right if it
begins in the window by which falls are scored (`training.footage.segments.falls`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from training.footage.labels import OTHER
from training.footage.segments.action_events import ActionEvent, action_events
from training.footage.segments.answered_film import AnsweredFilm
from training.footage.segments.falls import AFTER_S, BEFORE_S, FALL
from training.footage.segments.occurrences import SHORT_ACTIONS

CHANGES: Mapping[str, frozenset[str]] = {
    "sit": frozenset(("sit_down", "stand_up")),
    "lie": frozenset(("fall", "stand_up")),
    "stand": frozenset(("sit_down", "stand_up")),
}
"""Labelled actions that begin or end another one."""
LEAST_OVERLAP = 0.5

Said = Literal["right", "wrong", "really", "skip"]


class Judgement(NamedTuple):
    """What is said of an event. `truth`: the true action, for `right` and `really`."""

    film: str
    event: ActionEvent
    said: Said
    truth: str | None

    @property
    def false_alarm(self) -> bool:
        return self.said in ("wrong", "really")


def judge(film: AnsweredFilm) -> list[Judgement]:
    """Return what is said of a film's events, in order of their begin. `other` names no action and is left out."""
    return [
        Judgement(film.name, event, *_verdict(film, event)) for event in action_events(film) if event.label != OTHER
    ]


def choose(judged: Iterable[Judgement], most: int, seed: int) -> list[Judgement]:
    """Return the verdicts that are given: at most `most` on the events of each action, of films in a random order.

    An event that would be skipped counts for none.
    """
    films: dict[str, list[Judgement]] = {}
    for one in judged:
        films.setdefault(one.film, []).append(one)
    names = sorted(films)
    random.Random(seed).shuffle(names)
    given = Counter[str]()
    chosen: list[Judgement] = []
    for one in (one for name in names for one in films[name]):
        if one.said != "skip" and given[one.event.label] < most:
            given[one.event.label] += 1
            chosen.append(one)
    return chosen


def _verdict(film: AnsweredFilm, event: ActionEvent) -> tuple[Said, str | None]:
    if event.label in SHORT_ACTIONS:
        spans = [(one.start / film.fps, one.stop / film.fps) for one in film.segments if one.label == event.label]
        at = event.begin / film.fps
        if any(begin - BEFORE_S <= at <= end + AFTER_S for begin, end in spans):
            return "right", event.label
    length = event.end - event.begin
    labels = Counter(_label_at(film, frame) for frame in range(event.begin, event.end))
    likeliest, count = max(
        ((label, count) for label, count in labels.items() if label is not None),
        key=lambda entry: (entry[1], entry[0]),
        default=(None, 0),
    )
    shown = sum(_is_main(film, event.track, frame) for frame in range(event.begin, event.end))
    if likeliest is None or min(count, shown) < LEAST_OVERLAP * length:
        # All falls of a labelled film are labelled: no one falls here.
        known = event.label == FALL and any(one.label is not None for one in film.segments)
        return ("wrong", None) if known else ("skip", None)
    if likeliest == event.label:
        return "right", event.label
    if likeliest in CHANGES.get(event.label, frozenset()):
        return "skip", None
    return "really", likeliest


def _label_at(film: AnsweredFilm, frame: int) -> str | None:
    return next((one.label for one in film.segments if one.start <= frame < one.stop), None)


def _is_main(film: AnsweredFilm, track: int, frame: int) -> bool:
    main = film.main(frame)
    return main is not None and main.track == track
