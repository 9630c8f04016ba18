"""Tables of the scores on the packaged clips and on a data folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from commands.console import amounts
from commands.console.tables import show_title, table, text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from training.footage.judging import Interval, MacroFigure
    from training.scoring.clips import ClipScore
    from training.scoring.figures import FilmFigures, FrameFigures, SequenceFigures

_ANSWERS = 3
"""Answers that are shown of a label."""


def show_clips(figures: FrameFigures, scores: Sequence[ClipScore], console: Console) -> None:
    """Print the person-seconds of packaged clips: by label, by score and by clip."""
    from training.footage.judging import total

    show_frames(figures, console, "person-seconds", "seconds")
    clips = table("clip", "detector\ninput", "seconds", "correct", "missed", "unlabelled")
    for score in scores:
        seconds = total(score.judged)
        shares = [f"{part / seconds.total:.1%}" if seconds.total else "–" for part in (seconds.right, seconds.missed)]
        picture = "{}x{}".format(*score.picture)
        clips.add_row(score.clip, picture, f"{seconds.total:g}", *shares, f"{score.extra_seconds:g} s")
    console.print(clips)


def show_films(figures: FilmFigures, console: Console) -> None:
    """Print the figures of a set of films."""
    show_frames(figures.frames, console, f"{amounts.counted(figures.films, 'video')}, {figures.hours:.2f} h")
    if figures.kinds:
        kinds = table("kind of video", "macro, all frames")
        for kind, figure in figures.kinds.items():
            kinds.add_row(text(kind), macro_cell(figure))
        console.print(kinds)
    _show_falls(figures, console)
    _show_occurrences(figures, console)


def show_frames(figures: FrameFigures, console: Console, about: str, counted: str = "frames") -> None:
    """Print correct frames by action, their macro average, and precision by score."""
    from training.footage.judging import MISSED, by_class, seconds_by_answer

    answers = seconds_by_answer(figures.judged)
    shares = by_class(figures.judged)
    shown = _answers_table("label", "people,\nclips", counted, "correct", "correct,\nfound", "missed")
    for truth in _in_order(figures, shares):
        one = shares[truth]
        found = "–" if one.share_found is None else f"{one.share_found:.1%}"
        cells = (f"{one.units}", f"{one.total:g}", f"{one.share:.1%}", found, f"{one.missed / one.total:.1%}")
        given = {answer: count for answer, count in answers[truth].items() if answer != MISSED}
        shown.add_row(_named(figures, truth), *cells, _shares(given, one.total))
    show_title(console, f"{figures.name}: {about}")
    console.print(shown)
    _show_apart(figures, console)
    console.print(f"macro, all frames: {macro_cell(figures.macro)}", markup=False)
    console.print(f"macro, where found: {macro_cell(figures.macro_found)}", markup=False)
    show_precision(figures, console)


def show_sequences(figures: SequenceFigures, console: Console) -> None:
    """Print the figures of a set of sequences."""
    from training.footage.judging import by_class, seconds_by_answer

    last, every = by_class(figures.last.judged), by_class(figures.every.judged)
    answers = seconds_by_answer(figures.last.judged)
    shown = _answers_table("label", "people,\nclips", "last\nstep", "correct", "every\nstep", "correct")
    for truth in _in_order(figures.every, every):
        at_end, one = last.get(truth), every[truth]
        ended = (f"{at_end.total}", f"{at_end.share:.1%}") if at_end else ("0", "–")
        given = _shares(answers[truth], at_end.total) if at_end else ""
        shown.add_row(_named(figures.every, truth), f"{one.units}", *ended, f"{one.total}", f"{one.share:.1%}", given)
    show_title(console, f"{figures.last.name}: {figures.sequences} sequences ({figures.digest})")
    console.print(shown)
    _show_apart(figures.every, console)
    if figures.unreadable:
        console.print(f"{figures.unreadable} steps whose detections do not show the action are left out", markup=False)
    macros = table("macro average", "last step", "every step")
    if figures.last.actions is not None:
        chosen = " ".join(name for name in figures.last.actions if name in every)
        macros.add_row(text(chosen), macro_cell(figures.last.macro), macro_cell(figures.every.macro))
    macros.add_row("all actions", macro_cell(figures.last_over_all), macro_cell(figures.every_over_all))
    console.print(macros)
    show_precision(figures.last, console)


def show_precision(figures: FrameFigures, console: Console, title: str | None = None) -> None:
    """Print precision and coverage by score."""
    if title is not None:
        show_title(console, title)
    by_score = table("score at least", "precision", "coverage")
    for threshold, found in figures.at_least().items():
        shares = ((found.precision, found.precision_interval), (found.coverage, found.coverage_interval))
        by_score.add_row(f"{threshold:g}", *(share_cell(*share) for share in shares))
    console.print(by_score)


def macro_cell(figure: MacroFigure) -> str:
    """Return a macro average with its interval."""
    return share_cell(figure.mean, figure.interval)


def share_cell(share: float | None, interval: Interval | None) -> str:
    """Return a share with its interval."""
    return "–" if share is None else f"{share:.1%}{_interval(interval)}"


def _in_order(figures: FrameFigures, names: Iterable[str]) -> list[str]:
    """Return the labels, those that are apart last."""
    return sorted(names, key=lambda name: name in figures.apart)


def _named(figures: FrameFigures, name: str) -> str:
    return text(f"{name}*" if name in figures.apart else name)


def _show_apart(figures: FrameFigures, console: Console) -> None:
    if figures.apart:
        console.print("* not a part of the macro average", markup=False)


def _answers_table(*columns: str) -> Table:
    """Return a table of numbers with a last column of the most frequent answers."""
    made = table(*columns)
    made.add_column("answers", overflow="fold")
    return made


def _shares(answers: Mapping[str, float], of: float) -> str:
    shares = [f"{answer} {count / of:.0%}" for answer, count in answers.items()]
    return text(", ".join(shares[:_ANSWERS]))


def _show_falls(figures: FilmFigures, console: Console) -> None:
    falls = figures.falls
    if not falls.falls and not falls.false_alarms:
        return
    show_title(console, "falls")
    shown = table("videos", "falls found", "delay", "after\nimpact", "false\nalarms", "alarms an hour")
    found = falls.found_interval
    shown.add_row(
        f"{falls.films}",
        "–" if found is None else f"{falls.found} of {len(falls.falls)}{_interval(found)}",
        _seconds(falls.median_delay_s),
        _seconds(falls.median_after_impact_s),
        f"{len(falls.false_alarms)}",
        _rate(falls.alarms_an_hour, falls.alarms_an_hour_interval),
    )
    console.print(shown)
    if not figures.daily:
        return
    show_title(console, "videos without a fall")
    daily = table("shown", "videos", "false\nalarms", "alarms an hour")
    for kind, one in figures.daily.items():
        rate = _rate(one.alarms_an_hour, one.alarms_an_hour_interval)
        daily.add_row(text(kind) or "–", f"{one.films}", f"{len(one.false_alarms)}", rate)
    console.print(daily)


def _show_occurrences(figures: FilmFigures, console: Console) -> None:
    if not figures.occurrences:
        return
    show_title(console, "segments")
    shown = table("action", "number", "found by an event", "start\nseen", "never\ncorrect", "delay")
    for label, one in figures.by_action().items():
        shown.add_row(
            text(label),
            f"{one.count}",
            f"{one.found / one.count:.0%}{_interval(one.found_interval)}",
            f"{len(one.delays_s)}",
            f"{sum(map(math.isinf, one.delays_s))}",
            _seconds(one.median_delay_s),
        )
    console.print(shown)


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval.low:.0%}–{interval.high:.0%})"


def _rate(rate: float | None, interval: Interval | None) -> str:
    return "–" if rate is None or interval is None else f"{rate:.1f} ({interval.low:.1f}–{interval.high:.1f})"


def _seconds(value: float | None) -> str:
    return "–" if value is None else "never" if math.isinf(value) else f"{value:.2f} s"
