"""The figures of one checkpoint as tables on a console."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.synthetic.scoring.figures.detector_figures import DetectorFigures
from training.synthetic.scoring.figures.figures import Accuracy, SetFigures
from training.synthetic.scoring.figures.part_figures import by_kind
from training.synthetic.scoring.figures.settling import SettlingFigures

_NOTHING = "–"
_ANSWERS = 4
"""Answers shown for each action; the JSON object has all."""


def show(figures: SetFigures, console: Console) -> None:
    """Print all figures except those of single videos."""
    console.print(_summary(figures))
    console.print(_actions(figures))
    console.print(_thresholds(figures))
    console.print(_parts(figures))
    if figures.detector is not None:
        console.print(_joints(figures.detector))


def _summary(figures: SetFigures) -> Table:
    table = _table(None, "figure", "value")
    table.columns[1].justify = "left"
    rows = [
        ("online accuracy, mean of the actions", _accuracy(figures.online)),
        ("… motions that training shows", _accuracy(figures.seen)),
        ("… motions that it does not show", _accuracy(figures.unseen)),
    ]
    if figures.with_drops is not None:
        dropped = figures.with_drops
        lost = _NOTHING if dropped.lost is None else f"{100 * dropped.lost:.1f} points lost"
        rows.append((f"… with {dropped.share:.0%} of the frames missing", f"{_accuracy(dropped.online)}; {lost}"))
    benchmark = figures.benchmark
    area = _NOTHING if benchmark.area is None else f"{benchmark.area:.4f}"
    rows += [
        ("people missed", _percent(figures.online.missed)),
        ("`other` or nothing answered", _percent(figures.online.unanswered)),
        ("predicted people without a person", f"{figures.extra_people} person-frames"),
        ("time until the answer stays correct", _settling(figures.settling)),
        ("… after a change of action", _settling(figures.settling_after_change)),
        ("calibration error", _percent(figures.calibration.expected_error)),
        ("part states, mean average precision", _percent(figures.parts.mean_average_precision)),
        ("part states, mean F1", _percent(figures.parts.mean_f1)),
        ("video accuracy", _percent(benchmark.video_accuracy)),
        ("area (mean part state correctness)", f"{area} ({_percent(benchmark.mean_psc)})"),
        ("learned stages, per person and step", _NOTHING if figures.step_ms is None else f"{figures.step_ms:.2f} ms"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return table


def _accuracy(found: Accuracy) -> str:
    if found.macro is None:
        return _NOTHING
    return f"{found.macro:.1%} ({_percent(found.micro)} of {found.person_frames:,} person-frames)"


def _settling(found: SettlingFigures) -> str:
    if not found.stretches:
        return _NOTHING
    median, slow = ("never" if time is None else f"{time:.2f} s" for time in (found.median_s, found.slowest_tenth_s))
    return f"median {median}, 90th percentile {slow}, never in {_percent(found.never)} of {found.stretches}"


def _actions(figures: SetFigures) -> Table:
    table = _table("online accuracy by action", "action", "person-frames", "correct", "answers")
    table.columns[3].justify = "left"
    for action, found in figures.actions.items():
        answers = [f"{answer} {frames}" for answer, frames in list(found.answers.items())[:_ANSWERS]]
        table.add_row(Text(action), f"{found.person_frames:,}", f"{found.right:.1%}", Text(", ".join(answers)))
    return table


def _thresholds(figures: SetFigures) -> Table:
    table = _table(None, "answers of at least", "precision", "with predictions without a person", "coverage")
    for least, found in figures.calibration.at_least.items():
        table.add_row(least, *map(_percent, (found.precision, found.precision_all, found.coverage)))
    return table


def _parts(figures: SetFigures) -> Table:
    table = _table("average precision (F1) of part states, left and right averaged", "part", "states")
    table.columns[1].justify = "left"
    for kind, states in by_kind(figures.parts).items():
        best_first = sorted(states.items(), key=lambda entry: -entry[1][1])
        table.add_row(kind, Text(", ".join(f"{state} {ap:.2f} ({f1:.2f})" for state, (_, ap, f1) in best_first)))
    return table


def _joints(found: DetectorFigures) -> Table:
    title = (
        f"detector: {_percent(found.recall)} of {found.person_frames:,} person-frames found, "
        f"{_percent(found.close_recall)} closely"
    )
    table = _table(title, "joints", "median error", "in place", "score seen", "score hidden")
    for kind, joints in found.joints.items():
        scores = (_NOTHING if score is None else f"{score:.2f}" for score in (joints.seen_score, joints.hidden_score))
        table.add_row(kind, _percent(joints.median_error), _percent(joints.near), *scores)
    return table


def _percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{share:.1%}"


def _table(title: str | None, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for at, column in enumerate(columns):
        table.add_column(column, justify="left" if at == 0 else "right", no_wrap=at == 0)
    return table
