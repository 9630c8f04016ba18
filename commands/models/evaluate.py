"""`partstream evaluate`: score a prediction as the benchmark does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.application import lines
from commands.ending import console, fail

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
    from commands.models.evaluation import evaluate_submission
    from training.benchmark.submission import SubmissionError

    try:
        evaluate_submission(gt, pred, console=console, as_one_object=as_json, observed=observed)
    except SubmissionError as error:
        fail(str(error))
