"""An evaluation in the terminal: score a prediction, and print the figures."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from commands.ending import error_console
from training.benchmark.evaluation_summary import THRESHOLDS, PartTally, Summary, as_json, summarise
from training.benchmark.observed_answers import read_answers, recognise
from training.benchmark.psc import evaluate
from training.benchmark.submission import read_ground_truth, read_prediction


def evaluate_submission(
    truth: Path,
    prediction: Path,
    *,
    console: Console,
    as_one_object: bool = False,
    observed: Path | None = None,
) -> Summary:
    """Score the prediction in one folder against the ground truth in the other, and print the figures.

    `as_one_object`: print one JSON object and nothing else. Raises `SubmissionError`.
    """
    true = read_ground_truth(truth)
    guess = read_prediction(prediction, true)
    recognition = None if observed is None else recognise(read_answers(observed, true), true.actions)
    summary = summarise(true, guess, evaluate(true, guess), recognition)
    for warning in summary.warnings:
        error_console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
    if as_one_object:
        # Not through rich, which wraps and colours: this is for programs.
        console.file.write(json.dumps(as_json(summary)) + "\n")
        return summary
    _show(summary, console)
    return summary


def _show(summary: Summary, console: Console) -> None:
    console.print(f"[bold]area {summary.area:.6f}[/]", highlight=False)
    console.print(
        f"video accuracy {summary.video_accuracy:.2%}   mean PSC {summary.mean_psc:.4f}   "
        f"{len(summary.videos):,} videos, {summary.frames:,} frames, "
        f"{summary.people_matched:,} of {summary.people:,} people found",
        highlight=False,
        soft_wrap=True,
    )
    thresholds = _table("accuracy where PSC is at least", *(f"{threshold:.1f}" for threshold in THRESHOLDS))
    thresholds.add_row(*(f"{value:.1%}" for value in summary.accuracy_at))
    console.print(thresholds)
    if summary.recognition is not None:
        median = summary.recognition.settled_after(0.5)
        console.print(
            "median time until the class stays right: "
            + ("never" if median is None else f"{median:.2f} s")
            + f"; accuracy after half of the video: {summary.recognition.accuracy[50]:.1%}",
            highlight=False,
            soft_wrap=True,
        )
    for kind, tallies in (("part", summary.parts), ("state", summary.states)):
        if tallies:
            console.print(_tallies(kind, tallies))


def _tallies(kind: str, tallies: dict[str, PartTally]) -> Table:
    table = _table(None, kind, "count", "person found", "box found", "state found", "correctness")
    table.columns[0].justify = "left"
    for name, tally in tallies.items():
        shares = (tally.person_matched, tally.located, tally.right)
        table.add_row(
            Text(name),
            f"{tally.count:,}",
            *(f"{share / tally.count:.1%}" for share in shares),
            f"{tally.correctness:.1%}",
        )
    return table


def _table(title: str | None, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    return table
