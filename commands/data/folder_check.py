"""`partstream data check` of a data folder: a table of its sources, one of its actions, notes and errors."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from commands.ending import EXIT_FAILED, plain_console, say

if TYPE_CHECKING:
    from training.sources.checking import FolderReport


def check_data_folder(folder: Path, *, as_json: bool, errors: int | None) -> None:
    """Check a data folder, print the report and end with the exit code. At most `errors` errors are printed."""
    from training.console.progress_bar import progress_bar
    from training.sources.checking import check_folder

    with progress_bar("checking sources") as progress:
        report = check_folder(folder, progress)
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    else:
        show_folder(report, errors)
    raise typer.Exit(EXIT_FAILED if report.errors else 0)


def show_folder(report: FolderReport, errors: int | None) -> None:
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
