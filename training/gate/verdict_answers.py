"""What a checkpoint raises on clips with verdicts and on videos: events that were confirmed, judged wrong, and others.

Videos are watched once, and each checkpoint's learned stages answer them, as in `training.scoring.film_sets`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from training.gate.alarms import Raised
from training.gate.decision import Judged
from training.scoring.films import ActionEvent, AnsweredFilm, action_events
from training.sources.verdicts.verdict_clips import JudgedClip


class Fact(NamedTuple):
    """What verdicts say of a person: that it does an action in the frames `first` to `stop`, exclusive, or not."""

    track: int
    label: str
    true: bool
    first: int
    stop: int


class Verdicts(NamedTuple):
    """The events that people confirmed or named otherwise, and those that were not what was said.

    A `really` is in both: its true action is confirmed, and what was said was wrong.
    """

    confirmed: list[Judged]
    wrong: list[Judged]


def facts(clip: JudgedClip) -> list[Fact]:
    """Return what the verdicts of a clip say, each fact once, the latest verdict first.

    An alert and the event behind it have a verdict each, and a verdict may be given again: of those on one person and
    action that overlap, the latest counts.
    """
    found: list[Fact] = []
    for one in reversed(clip.judged):
        verdict, frames = one.verdict, clip.frames(one)
        said = [] if verdict.verdict == "right" else [Fact(one.track, verdict.said, False, *frames)]
        true = [] if verdict.truth is None else [Fact(one.track, verdict.truth, True, *frames)]
        found += [fact for fact in true + said if not any(_same(fact, later) for later in found)]
    return found


def judged_verdicts(
    clips: Sequence[JudgedClip],
    old: Mapping[str, AnsweredFilm],
    new: Mapping[str, AnsweredFilm],
    *,
    known: Collection[str],
) -> Verdicts:
    """Return whether each checkpoint raises the verdicts' actions on their people.

    `old` and `new`: the checkpoints' answers by the clip's name. `known`: the actions of either; others, such as
    written ones, are left out, because neither can raise them.
    """
    found = Verdicts([], [])
    for clip in clips:
        events = [action_events(films[clip.name]) for films in (old, new)]
        for fact in facts(clip):
            if fact.label in known:
                raised_old, raised_new = (any(_shows(event, fact) for event in each) for each in events)
                into = found.confirmed if fact.true else found.wrong
                into.append(Judged(fact.label, raised_old, raised_new))
    return found


def raised_events(
    video: str, film: AnsweredFilm, labels: Collection[str], confirmed: Sequence[Fact] = ()
) -> Iterator[Raised]:
    """Yield the film's events of these actions that overlap no confirmed fact on their action, as of this video."""
    for event in action_events(film):
        known = any(fact.true and fact.label == event.label and _overlap(event, fact) for fact in confirmed)
        if event.label in labels and not known:
            yield Raised(video, event.label, event.track, event.begin / film.fps, event.end / film.fps)


def _same(one: Fact, other: Fact) -> bool:
    return (one.track, one.label) == (other.track, other.label) and one.first < other.stop and other.first < one.stop


def _shows(event: ActionEvent, fact: Fact) -> bool:
    return (event.track, event.label) == (fact.track, fact.label) and _overlap(event, fact)


def _overlap(event: ActionEvent, fact: Fact) -> bool:
    return event.begin < fact.stop and event.end > fact.first
