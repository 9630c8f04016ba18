"""`partstream evaluate`: score a prediction as the benchmark does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import lines
from commands.ending import error_console, plain_console, printable, say

if TYPE_CHECKING:
    from training.benchmark.evaluation_summary import Summary

EPILOG = lines("`partstream evaluate --gt truth --pred submission`")


def evaluate_command(
    gt: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, metavar="DIR", help="gt_vid_result.json and gt_part_result.json."),
    ],
    pred: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, metavar="DIR", help="pred_vid_result.json, pred_part_result.json."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    observed: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answers over time (docs/evaluation.md).")
    ] = None,
) -> None:
    """Score prediction files with the benchmark's metric.

    Prints the figures of part states and classes, and their area, as the Kinetics-TPS benchmark defines them.
    """
    from training.benchmark import evaluation_summary
    from training.benchmark.observed_answers import read_answers, recognise
    from training.benchmark.psc import evaluate
    from training.benchmark.submission import read_ground_truth, read_prediction

    true = read_ground_truth(gt)
    guess = read_prediction(pred, true)
    recognition = None if observed is None else recognise(read_answers(observed, true), true.actions)
    summary = evaluation_summary.summarise(true, guess, evaluate(true, guess), recognition)
    for warning in summary.warnings:
        error_console.print(f"warning: {printable(warning)}", markup=False)
    if as_json:
        sys.stdout.write(json.dumps(evaluation_summary.as_json(summary)) + "\n")
    else:
        _show(summary)


def _show(summary: Summary) -> None:
    from commands.console.tables import table, text
    from training.benchmark.evaluation_summary import THRESHOLDS

    plain_console.print(f"[bold]area {summary.area:.6f}[/]")
    say(
        f"video accuracy {summary.video_accuracy:.2%}   mean PSC {summary.mean_psc:.4f}   "
        f"{len(summary.videos):,} videos, {summary.frames:,} frames, "
        f"{summary.people_matched:,} of {summary.people:,} people found"
    )
    thresholds = table(
        *(f"{threshold:.1f}" for threshold in THRESHOLDS), title="accuracy where PSC is at least", words=0
    )
    thresholds.add_row(*(f"{value:.1%}" for value in summary.accuracy_at))
    plain_console.print(thresholds)
    if summary.recognition is not None:
        median = summary.recognition.settled_after(0.5)
        after = "never" if median is None else f"{median:.2f} s"
        half = summary.recognition.accuracy[50]
        say(f"median time until the class stays right: {after}; accuracy after half of the video: {half:.1%}")
    for kind, tallies in (("part", summary.parts), ("state", summary.states)):
        if not tallies:
            continue
        shown = table(kind, "count", "person found", "box found", "state found", "correctness")
        for name, tally in tallies.items():
            found = (f"{one / tally.count:.1%}" for one in (tally.person_matched, tally.located, tally.right))
            shown.add_row(text(name), f"{tally.count:,}", *found, f"{tally.correctness:.1%}")
        plain_console.print(shown)
