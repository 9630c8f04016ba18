"""`partstream data`: checks and generates data sets in the Kinetics-TPS layout, and makes the metric's files."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import Application
from commands.models.data_generate import EPILOG as GENERATE_EPILOG
from commands.models.data_generate import generate_command
from training.console.progress_bar import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from training.kinetics_tps import CheckReport

# Heavy imports (av, numpy) happen inside the commands, so that help and mistakes answer at once.

EXIT_ERRORS, EXIT_USAGE = 1, 2
FIRST_FILES = 20

data_app = Application(help="Data sets in the Kinetics-TPS layout: check, convert, generate.", no_args_is_help=True)
data_app.command("generate", epilog=GENERATE_EPILOG)(generate_command)


@data_app.command("check", epilog="Exit codes: 0 nothing is wrong, 1 something is, 2 there is no such folder.")
def check_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds train_videos, train_annotations and list.")],
    every: Annotated[bool, typer.Option("--all", help=f"Name every file, not the first {FIRST_FILES}.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every error instead.")] = False,
) -> None:
    """Go through a whole data set and report every error by file: videos, annotations, lists."""
    from rich.console import Console

    from training.kinetics_tps import check_dataset

    console = Console(highlight=False)
    with _errors(), progress_bar("checking videos") as progress:
        report = check_dataset(folder, progress)
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    else:
        show_report(report, console, None if every else FIRST_FILES)
    raise typer.Exit(0 if report.clean else EXIT_ERRORS)


@data_app.command("ground-truth")
def ground_truth_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The data set.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where gt_vid_result.json and gt_part_result.json go.")],
    every: Annotated[int, typer.Option(min=1, help="Only frames 1, 1 + N, 1 + 2 N …; the benchmark's is 5.")] = 1,
) -> None:
    """Turn annotations into the ground truth files that `evaluate` takes."""
    from rich.console import Console

    from training.kinetics_tps import Dataset, write_ground_truth

    with _errors():
        dataset = Dataset(folder)
        videos = write_ground_truth(out, dataset.train(), every=every)
    left_out = sum(dataset.skipped.values())
    words = f"; {left_out} errors left out, `data check` lists them" if left_out else ""
    Console(highlight=False).print(f"wrote the ground truth of {videos} videos to {out}{words}", markup=False)


def show_report(report: CheckReport, console: Console, files: int | None) -> None:
    """Print counts by error, then what is wrong with the first so many files, or with all."""
    from rich.markup import escape
    from rich.table import Table

    from training.kinetics_tps.data_errors import MEANING

    totals = report.totals
    console.print(
        f"{totals.train_videos} training videos, {totals.test_videos} test videos, {totals.frames} annotated frames, "
        f"{totals.people} people, {totals.parts} parts, {totals.objects} objects are right"
    )
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    if report.clean:
        console.print("[green]nothing is wrong[/]")
        return
    table = Table("error", "what it means")
    table.add_column("errors", justify="right")
    table.add_column("files", justify="right")
    for code, (errors, in_files) in report.counts().items():
        table.add_row(code.value, MEANING[code], str(errors), str(in_files))
    console.print(table)
    by_file = [(file, list(found)) for file, found in groupby(report.errors, lambda error: error.file)]
    for file, found in by_file[:files]:
        console.print(f"[bold]{escape(file)}[/]", soft_wrap=True)
        for error in found:
            console.print(f"  [red]{error.code}[/]  {escape(error.message)}", soft_wrap=True)
    if files is not None and len(by_file) > files:
        console.print(f"… and {len(by_file) - files} more files; --all names them, --json is for programs")


@contextmanager
def _errors() -> Generator[None]:
    """A data set that can't be used at all is a sentence on stderr and an exit code."""
    from rich.console import Console
    from rich.markup import escape

    from training.kinetics_tps import DatasetError

    try:
        yield
    except DatasetError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]partstream:[/] {escape(str(error))}")
        raise typer.Exit(EXIT_USAGE) from None
