"""The figures of films, sequences and clips, as values and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from training.footage.judging import (
    THRESHOLDS,
    Interval,
    Judged,
    MacroFigure,
    Selective,
    by_class,
    macro_figure,
    seconds_by_answer,
    selective,
    total,
)
from training.scoring.clips import ClipScore
from training.scoring.films import (
    ActionOccurrences,
    AnsweredFilm,
    FallFigures,
    Occurrence,
    fall_figures,
    judge,
    occurrences,
    together,
    without_falls,
)


@dataclass(frozen=True, slots=True)
class FrameFigures:
    """Labelled frames of a set, steps of its sequences or instants of clips, with their answers.

    `actions`: the actions of the macro average, None for all that are labelled. `other_is_right`: as in `selective`.
    """

    name: str
    judged: tuple[Judged, ...]
    actions: tuple[str, ...] | None = None
    other_is_right: bool = True

    @property
    def macro(self) -> MacroFigure:
        """Mean share of right frames over actions; a frame without a person is wrong."""
        return macro_figure(self.judged, self.actions)

    @property
    def macro_found(self) -> MacroFigure:
        """The same over the frames in which a person is found."""
        return macro_figure(self.judged, self.actions, found_only=True)

    @property
    def apart(self) -> tuple[str, ...]:
        """Labelled actions that are not part of the macro average."""
        return () if self.actions is None else tuple(sorted({one.truth for one in self.judged} - set(self.actions)))

    def at_least(self) -> dict[float, Selective]:
        """Return precision and coverage by score threshold."""
        return {at: selective(self.judged, at, other_is_right=self.other_is_right) for at in THRESHOLDS}

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        return {
            "frames": len(self.judged),
            "macro": self.macro_json(),
            "actions": {
                truth: {
                    "frames": one.total,
                    "found": one.total - one.missed,
                    "right": one.right,
                    "units": one.units,
                    "share": _rounded(one.share),
                    "share_where_found": _rounded(one.share_found),
                }
                for truth, one in by_class(self.judged).items()
            },
            "confusion": seconds_by_answer(self.judged),
            "at_least": {
                f"{threshold:g}": {
                    "precision": _rounded(one.precision),
                    "precision_interval": _interval(one.precision_interval),
                    "coverage": _rounded(one.coverage),
                    "coverage_interval": _interval(one.coverage_interval),
                }
                for threshold, one in self.at_least().items()
            },
            "by_clip": self._by(lambda one: one.clip),
            "by_unit": self._by(lambda one: str(one.person)),
        }

    def macro_json(self) -> dict[str, Any]:
        """Return the macro averages as plain values."""
        return {
            "actions": None if self.actions is None else list(self.actions),
            "all_frames": _macro(self.macro),
            "where_found": _macro(self.macro_found),
        }

    def _by(self, key: Callable[[Judged], str]) -> dict[str, Any]:
        groups: dict[str, list[Judged]] = {}
        for one in self.judged:
            groups.setdefault(key(one), []).append(one)
        return {
            name: {
                "frames": total(ones).total,
                "found": total(ones).total - total(ones).missed,
                "right": total(ones).right,
                "macro": _rounded(macro_figure(ones).mean),
                "actions": {truth: [one.right, one.total] for truth, one in by_class(ones).items()},
            }
            for name, ones in groups.items()
        }


@dataclass(frozen=True, slots=True)
class FilmFigures:
    """A set of films: frames, falls, and segments as occurrences of their action."""

    frames: FrameFigures
    films: int
    hours: float
    falls: FallFigures
    daily: dict[str, FallFigures]
    """The films without a labelled fall, by kind."""
    kinds: dict[str, MacroFigure]
    """Macro average by kind of film, if there are kinds with several films: a room, or what is shown."""
    occurrences: tuple[Occurrence, ...]

    def by_action(self) -> dict[str, ActionOccurrences]:
        """Return the occurrences of each action by name, and of all."""
        labels = sorted({one.label for one in self.occurrences})
        each = {label: together(one for one in self.occurrences if one.label == label) for label in labels}
        return {**each, "all": together(self.occurrences)}

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain values. A null delay is infinite: more than half were never recognised."""
        return {
            "films": self.films,
            "hours": round(self.hours, 4),
            **self.frames.as_json(),
            "by_kind": {kind: _macro(figure) for kind, figure in self.kinds.items()},
            "falls": {
                **_falls(self.falls),
                "each": [
                    {"film": one.film, "begin_s": one.begin_s, "end_s": one.end_s, "event_s": one.event_s}
                    for one in self.falls.falls
                ],
                "each_false_alarm": [one._asdict() for one in self.falls.false_alarms],
                "films_without_falls": {kind: _falls(one) for kind, one in self.daily.items()},
            },
            "occurrences": {
                "actions": {label: _occurrences(one) for label, one in self.by_action().items()},
                "each": [one._asdict() | {"delay_s": _finite(one.delay_s)} for one in self.occurrences],
            },
        }


@dataclass(frozen=True, slots=True)
class SequenceFigures:
    """Figures of a set's sequences at their last step and at every labelled step.

    `digest`: hash of the detections, by which two scores are known to be of the same sequences. Steps whose detections
    do not show the action (`unreadable`) are left out.
    """

    last: FrameFigures
    every: FrameFigures
    sequences: int
    unreadable: int
    digest: str

    @property
    def last_over_all(self) -> MacroFigure:
        """Macro average at the last step over all actions."""
        return macro_figure(self.last.judged)

    @property
    def every_over_all(self) -> MacroFigure:
        """Macro average at every step over all actions."""
        return macro_figure(self.every.judged)

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        return {
            "sequences": self.sequences,
            "unreadable_steps": self.unreadable,
            "digest": self.digest,
            "last_step": self.last.as_json(),
            "last_step_over_all_actions": FrameFigures(self.last.name, self.last.judged).macro_json(),
            "every_step": self.every.as_json(),
            "every_step_over_all_actions": FrameFigures(self.every.name, self.every.judged).macro_json(),
        }


def film_figures(
    name: str, films: Sequence[AnsweredFilm], actions: tuple[str, ...] | None = None, *, smoothed: bool = False
) -> FilmFigures:
    """Return the figures of a set of films; `actions` are those of the macro average, None for all labelled ones."""
    judged = {film.name: judge(film, smoothed=smoothed) for film in films}
    kinds: dict[str, list[AnsweredFilm]] = {}
    for film in films:
        kinds.setdefault(film.kind, []).append(film)
    several = {kind: group for kind, group in sorted(kinds.items()) if kind and len(group) > 1}
    return FilmFigures(
        frames=FrameFigures(name, tuple(one for ones in judged.values() for one in ones), actions),
        films=len(films),
        hours=sum(film.seconds for film in films) / 3600,
        falls=fall_figures(films),
        daily={kind: fall_figures(group) for kind, group in without_falls(films).items()},
        kinds={
            kind: macro_figure([one for film in group for one in judged[film.name]], actions)
            for kind, group in several.items()
        },
        occurrences=tuple(one for film in films for one in occurrences(film)),
    )


def clip_figures(scores: Sequence[ClipScore]) -> FrameFigures:
    """Return the figures of packaged clips' halves against one labeller."""
    judged = tuple(one for score in scores for one in score.judged)
    name = f"{scores[0].half} half, labeller {scores[0].labeller}"
    return FrameFigures(name, judged, other_is_right=False)


def clips_json(scores: Sequence[ClipScore]) -> dict[str, Any]:
    """Return the figures of packaged clips as plain values, with every instant."""
    return {
        **clip_figures(scores).as_json(),
        "clips": {
            score.clip: {
                "detector_picture": list(score.picture),
                "unlabelled_seconds": round(score.extra_seconds, 3),
                "instants": [one._asdict() for one in score.judged],
            }
            for score in scores
        },
    }


def _macro(figure: MacroFigure) -> dict[str, Any]:
    return {"mean": _rounded(figure.mean), "interval": _interval(figure.interval)}


def _falls(figures: FallFigures) -> dict[str, Any]:
    return {
        "films": figures.films,
        "hours": round(figures.hours, 4),
        "labelled": len(figures.falls),
        "found": figures.found,
        "found_interval": _interval(figures.found_interval),
        "median_delay_s": _finite(figures.median_delay_s),
        "median_after_impact_s": _finite(figures.median_after_impact_s),
        "false_alarms": len(figures.false_alarms),
        "false_alarms_an_hour": _rounded(figures.alarms_an_hour),
        "false_alarms_an_hour_interval": _interval(figures.alarms_an_hour_interval),
    }


def _occurrences(ones: ActionOccurrences) -> dict[str, Any]:
    return {
        "count": ones.count,
        "found": ones.found,
        "found_interval": _interval(ones.found_interval),
        "delays": len(ones.delays_s),
        "never": sum(math.isinf(delay) for delay in ones.delays_s),
        "median_delay_s": _finite(ones.median_delay_s),
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(interval.low, 4), round(interval.high, 4)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else round(value, 3)
