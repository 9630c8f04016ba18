"""Tables of the scores on a data folder."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from commands.ending import printable

if TYPE_CHECKING:
    from rich.console import Console

    from training.footage.segments.accuracy import MacroFigure
    from training.footage.segments.falls import FallFigures
    from training.footage.segments.intervals import Interval
    from training.scoring.film_figures import FilmFigures, FrameFigures
    from training.scoring.sequence_sets import SequenceFigures

_ANSWERS_SHOWN = 5


def show_films(figures: FilmFigures, console: Console) -> None:
    """Print the figures of a set of films."""
    show_frames(figures.frames, console, f"{_videos(figures.films)}, {figures.hours:.2f} h")
    if figures.kinds:
        kinds = table(None, "kind of video", "macro, all frames")
        for kind, figure in figures.kinds.items():
            kinds.add_row(_text(kind), macro_cell(figure))
        console.print(kinds)
    _show_falls(figures, console)
    _show_occurrences(figures, console)


def show_frames(figures: FrameFigures, console: Console, about: str) -> None:
    """Print correct frames by action, their macro average, and precision by score."""
    from training.footage.segments.accuracy import by_action, confusion
    from training.footage.summary import MISSED

    answers = confusion(figures.judged)
    shares = by_action(figures.judged)
    columns = ("label", "people, clips", "frames", "correct", "correct, found", "missed", "answers")
    actions = table(_text(f"{figures.name}: {about}"), *columns)
    for truth in _in_order(figures, shares):
        one = shares[truth]
        given = [f"{answer} {count / one.frames:.0%}" for answer, count in answers[truth].items() if answer != MISSED]
        actions.add_row(
            _named(figures, truth),
            f"{one.units}",
            f"{one.frames}",
            f"{one.share:.1%}",
            "–" if one.share_found is None else f"{one.share_found:.1%}",
            f"{1 - one.found / one.frames:.1%}",
            _text(", ".join(given[:_ANSWERS_SHOWN])),
        )
    console.print(actions)
    console.print(f"macro, all frames: {macro_cell(figures.macro)}", markup=False)
    console.print(f"macro, where found: {macro_cell(figures.macro_found)}", markup=False)
    show_precision(figures, console)


def show_sequences(figures: SequenceFigures, console: Console) -> None:
    """Print the figures of a set of sequences."""
    from training.footage.segments.accuracy import by_action, confusion

    last, every = by_action(figures.last.judged), by_action(figures.every.judged)
    answers = confusion(figures.last.judged)
    about = f"{figures.sequences} sequences ({figures.digest}), {figures.unreadable} unreadable steps left out"
    columns = ("label", "people, clips", "last steps", "correct", "every step", "correct", "answers at the last step")
    actions = table(f"{figures.last.name}: {about}", *columns)
    for truth in _in_order(figures.every, every):
        at_end, one = last.get(truth), every[truth]
        given = [f"{name} {count / at_end.frames:.0%}" for name, count in answers[truth].items()] if at_end else []
        actions.add_row(
            _named(figures.every, truth),
            f"{one.units}",
            f"{at_end.frames}" if at_end else "0",
            f"{at_end.share:.1%}" if at_end else "–",
            f"{one.frames}",
            f"{one.share:.1%}",
            _text(", ".join(given[:_ANSWERS_SHOWN])),
        )
    console.print(actions)
    macros = table(None, "macro average", "last steps", "every step")
    if figures.last.actions is not None:
        chosen = " ".join(name for name in figures.last.actions if name in every)
        macros.add_row(chosen, macro_cell(figures.last.macro), macro_cell(figures.every.macro))
    macros.add_row("all actions", macro_cell(figures.last_over_all), macro_cell(figures.every_over_all))
    console.print(macros)
    show_precision(figures.last, console)


def _in_order(figures: FrameFigures, names: Iterable[str]) -> list[str]:
    """Return the labels, those that are apart last."""
    return sorted(names, key=lambda name: name in figures.apart)


def _named(figures: FrameFigures, name: str) -> str:
    return _text(f"{name} (apart)" if name in figures.apart else name)


def _text(text: str) -> str:
    """Return text of a data folder or checkpoint for a cell: without markup, control characters escaped."""
    return escape(printable(text))


def show_precision(figures: FrameFigures, console: Console, title: str | None = None) -> None:
    """Print precision and coverage by score."""
    by_score = table(title, "score at least", "precision", "coverage")
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


def table(title: str | None, *columns: str) -> Table:
    """Return a table whose first column and answers are aligned left."""
    made = Table(title=title, title_justify="left")
    for at, column in enumerate(columns):
        left = at == 0 or column.startswith("answers")
        made.add_column(column, justify="left" if left else "right", no_wrap=column in ("label", "action"))
    return made


def _show_falls(figures: FilmFigures, console: Console) -> None:
    falls = figures.falls
    if not falls.falls and not falls.false_alarms:
        return
    shown = table("falls", "videos", "number", "falls found", "delay", "after impact", "false alarms", "an hour")
    shown.add_row("all", *_fall_cells(falls))
    for kind, one in figures.daily.items():
        shown.add_row(_text(f"without a fall: {kind}") if kind else "without a fall", *_fall_cells(one))
    console.print(shown)


def _fall_cells(figures: FallFigures) -> list[str]:
    found, rate = figures.found_interval, figures.alarms_an_hour
    alarms = figures.alarms_an_hour_interval
    return [
        f"{figures.films}",
        "–" if found is None else f"{figures.found} of {len(figures.falls)}{_interval(found)}",
        _seconds(figures.median_delay_s),
        _seconds(figures.median_after_impact_s),
        f"{len(figures.false_alarms)}",
        "–" if rate is None or alarms is None else f"{rate:.1f} ({alarms.low:.1f}–{alarms.high:.1f})",
    ]


def _show_occurrences(figures: FilmFigures, console: Console) -> None:
    if not figures.occurrences:
        return
    shown = table("segments", "action", "number", "found by an event", "start seen", "never correct", "delay")
    for label, one in [*figures.occurrences_by_action.items(), ("all", figures.together)]:
        shown.add_row(
            _text(label),
            f"{one.count}",
            f"{one.found / one.count:.0%}{_interval(one.found_interval)}",
            f"{len(one.delays_s)}",
            f"{sum(map(math.isinf, one.delays_s))}",
            _seconds(one.median_delay_s),
        )
    console.print(shown)


def _videos(number: int) -> str:
    return f"{number} video" if number == 1 else f"{number} videos"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval.low:.0%}–{interval.high:.0%})"


def _seconds(value: float | None) -> str:
    return "–" if value is None else "never" if math.isinf(value) else f"{value:.2f} s"
