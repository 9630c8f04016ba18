"""`partstream data`: check, convert and generate data sets in the Kinetics-TPS layout, and fill data folders."""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import Application
from commands.data.generate import EPILOG as GENERATE_EPILOG
from commands.data.generate import generate_command
from commands.data.importing import EPILOG as IMPORT_EPILOG
from commands.data.importing import import_command
from commands.ending import EXIT_FAILED, EXIT_USAGE, fail, plain_console, say
from training.console import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from training.kinetics_tps import CheckReport
    from training.sources.checking import FolderReport

FIRST_FILES = 20

data_app = Application(help="Check, convert, import and generate data sets.", no_args_is_help=True)
data_app.command("generate", epilog=GENERATE_EPILOG)(generate_command)
data_app.command("import", epilog=IMPORT_EPILOG)(import_command)


@data_app.command("check", epilog="Exit codes: 0 no errors, 1 errors, 2 not a folder that can be checked.")
def check_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A data folder, or a data set in the Kinetics-TPS layout.")
    ],
    every: Annotated[bool, typer.Option("--all", help=f"List all files with errors, not only {FIRST_FILES}.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every error instead.")] = False,
) -> None:
    """Check a data set, and report every error in videos, annotations and lists by file.

    For a data folder, print the clips, people, seconds, actions and terms of each source, and its errors.
    """
    from training.kinetics_tps import check_dataset
    from training.sources.checking import check_folder, is_data_folder

    if is_data_folder(folder):
        with progress_bar("checking sources") as progress:
            found = check_folder(folder, progress)
        if as_json:
            sys.stdout.write(json.dumps(found.to_json()) + "\n")
        else:
            _show_folder(found, None if every else FIRST_FILES)
        raise typer.Exit(EXIT_FAILED if found.errors else 0)
    if _has_clips(folder):
        fail(
            f"{folder}: contains example clips or verdicts; `partstream train --from edge --data {folder}` checks them "
            "and names those that it leaves out",
            EXIT_USAGE,
        )
    with progress_bar("checking videos") as progress:
        report = check_dataset(folder, progress)
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    else:
        show_report(report, plain_console, None if every else FIRST_FILES)
    raise typer.Exit(0 if report.clean else EXIT_FAILED)


@data_app.command("ground-truth")
def ground_truth_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The data set.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Directory for gt_vid_result.json and gt_part_result.json.")
    ],
    every: Annotated[int, typer.Option(min=1, help="Only frames 1, 1 + N, 1 + 2 N … The benchmark uses 5.")] = 1,
) -> None:
    """Convert annotations into the ground truth files for `evaluate`."""
    from training.kinetics_tps import Dataset, write_ground_truth

    dataset = Dataset(folder)
    videos = write_ground_truth(out, dataset.train(), every=every)
    left_out = sum(dataset.skipped.values())
    words = f"; {left_out} errors skipped, `data check` lists them" if left_out else ""
    say(f"wrote the ground truth of {videos} videos to {out}{words}")


def show_report(report: CheckReport, console: Console, files: int | None) -> None:
    """Print counts by kind of error, then the errors of the first `files` files, or of all."""
    from rich.markup import escape

    from commands.console.tables import table

    totals = report.totals
    console.print(
        f"{totals.train_videos} training videos, {totals.test_videos} test videos, {totals.frames} annotated frames, "
        f"{totals.people} people, {totals.parts} parts, {totals.objects} objects without errors"
    )
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    if report.clean:
        console.print("[green]no errors[/]")
        return
    shown = table("error", "meaning", "errors", "files", words=2)
    for code, (errors, in_files) in report.counts().items():
        shown.add_row(code.value, code.meaning, str(errors), str(in_files))
    console.print(shown)
    by_file = [(file, list(found)) for file, found in groupby(report.errors, lambda error: error.file)]
    for file, found in by_file[:files]:
        console.print(f"[bold]{escape(file)}[/]", soft_wrap=True)
        for error in found:
            console.print(f"  [red]{error.code}[/]  {escape(error.message)}", soft_wrap=True)
    if files is not None and len(by_file) > files:
        console.print(f"… and {len(by_file) - files} more files: --all lists them, --json prints all for programs")


def _has_clips(folder: Path) -> bool:
    from training.sources.examples.example_clips import layout_of
    from training.sources.terms import DataFolderError

    try:
        return layout_of(folder) != "annotated"
    except (DataFolderError, OSError):
        return False


def _show_folder(report: FolderReport, errors: int | None) -> None:
    """Print a table of the sources, one of their joints and one of the actions, then notes and errors."""
    from commands.console.tables import table, text

    sources = table("source", "kind", "terms", "clips", "people", "seconds", "labelled", words=3)
    bodies = table("joints of", "limbs vary", "toes in front,\nleft / right", "missing")
    actions: dict[str, Counter[str]] = {}
    for source in report.sources:
        tally = source.tally
        labelled = sum(seconds for _, seconds in tally.actions.values())
        people = str(tally.people or "?")
        lasting = (f"{tally.seconds:.0f}", f"{labelled:.0f}")
        sources.add_row(text(source.id), source.kind, source.terms, str(tally.clips), people, *lasting)
        if source.missing is not None:
            vary = "" if source.limb_variation is None else f"{source.limb_variation:.1%}"
            front = "" if source.toes_forward is None else " / ".join(f"{share:.2f}" for share in source.toes_forward)
            bodies.add_row(text(source.id), vary, front, f"{source.missing:.1%}")
        for action, (clips, seconds) in tally.actions.items():
            found = actions.setdefault(action, Counter())
            found.update({"clips": clips, "sources": 1})
            found[source.kind] += round(seconds)
    plain_console.print(sources)
    if bodies.row_count:
        plain_console.print(bodies)
    kinds = list(dict.fromkeys(source.kind for source in report.sources))
    by_action = table("action", "sources", "clips", *(f"{kind} s" for kind in kinds))
    for action, found in sorted(actions.items(), key=lambda item: -item[1]["clips"]):
        by_action.add_row(text(action), *(str(found[column]) for column in ("sources", "clips", *kinds)))
    plain_console.print(by_action)
    for source in report.sources:
        lacks = [f"lacks {', '.join(source.lacks)}"] if source.lacks else []
        for note in [*source.notes, *lacks]:
            say(f"note: {source.id}: {note}")
    for error in report.errors[:errors]:
        say(f"error: {error}")
    if errors is not None and len(report.errors) > errors:
        say(f"… and {len(report.errors) - errors} more errors: --all lists them")
    if not report.errors:
        say("no errors")
