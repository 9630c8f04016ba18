"""What a checkpoint raises on clips with verdicts: events that people confirmed, or judged wrong, and others.

Clips are watched once, and each checkpoint's learned stages answer them, as in `training.scoring.film_answers`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from training.footage.segments.action_events import ActionEvent, action_events
from training.footage.segments.answered_film import AnsweredFilm
from training.gate.decision import Judged
from training.sources.verdicts.verdict_clips import Judged as OnTrack
from training.sources.verdicts.verdict_clips import JudgedClip


class Span(NamedTuple):
    """A confirmed action in a video: the frames `first` to `stop`, exclusive."""

    label: str
    first: int
    stop: int


class Verdicts(NamedTuple):
    """The verdicts on events that people confirmed, or named otherwise, and on those that were not what was said.

    A `really` is in both: its true action is confirmed, and what was said was wrong.
    """

    confirmed: list[Judged]
    wrong: list[Judged]


def judged_verdicts(
    clips: Sequence[JudgedClip],
    old: Mapping[str, AnsweredFilm],
    new: Mapping[str, AnsweredFilm],
    *,
    known: Collection[str],
    held_out: Collection[str],
) -> Verdicts:
    """Return whether each checkpoint raises the verdicts' actions on their people.

    `old` and `new`: the checkpoints' answers by the clip's name. `known`: the actions of either; others, such as
    written ones, are left out, because neither can raise them. `held_out`: clips that `new` did not learn from.
    """
    found = Verdicts([], [])
    for clip in clips:
        events = [action_events(films[clip.name]) for films in (old, new)]
        for one in clip.judged:
            verdict = one.verdict
            for label, into in ((verdict.truth, found.confirmed), (_wrong(one), found.wrong)):
                if label is not None and label in known:
                    raised_old, raised_new = (_raised(each, one.track, label, clip.frames(one)) for each in events)
                    into.append(Judged(label, clip.name in held_out, raised_old, raised_new))
    return found


def confirmed_spans(clip: JudgedClip) -> list[Span]:
    """Return the spans of a clip in which people confirmed an action."""
    return [Span(one.verdict.truth, *clip.frames(one)) for one in clip.judged if one.verdict.truth is not None]


def unconfirmed_events(film: AnsweredFilm, labels: Collection[str], confirmed: Sequence[Span]) -> int:
    """Return the number of a film's events of these actions that overlap no confirmed span of their action."""
    return sum(1 for event in _of(film, labels) if not any(_overlaps(event, span) for span in confirmed))


def _of(film: AnsweredFilm, labels: Collection[str]) -> Iterator[ActionEvent]:
    return (event for event in action_events(film) if event.label in labels)


def _overlaps(event: ActionEvent, span: Span) -> bool:
    return event.label == span.label and event.begin < span.stop and event.end > span.first


def _wrong(one: OnTrack) -> str | None:
    return None if one.verdict.verdict == "right" else one.verdict.said


def _raised(events: Sequence[ActionEvent], track: int, label: str, frames: tuple[int, int]) -> bool:
    span = Span(label, *frames)
    return any(event.track == track and _overlaps(event, span) for event in events)
