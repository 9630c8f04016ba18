"""Output of the benchmark of examples as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.examples.example_bench import (
    LEAST_PRECISION,
    LEAST_RECALL,
    MOST_LOST,
    ExamplesMeasured,
    LearnedAction,
)


def print_examples(measured: ExamplesMeasured, console: Console) -> None:
    """Print a row for each action and draw of clips."""
    table = Table(
        title="actions learned from clips of a few people, tested on others",
        caption=f"goals: recall {LEAST_RECALL:.0%}, precision {LEAST_PRECISION:.0%}, old actions at most "
        f"{100 * MOST_LOST:.0f} points lower. People and sequences (of videos: steps) in brackets.",
    )
    table.add_column("action")
    for heading in ("clips (people)", "recall", "precision", "old actions", "generated", "time", "goals"):
        table.add_column(heading, justify="right")
    for one in measured.learned:
        table.add_row(
            f"{one.action}, draw {one.draw}",
            f"{one.clips} {'filmed' if one.filmed else 'captured'} ({len(one.people)})",
            f"{one.recall:.0%}\n{_by_kind(one)}",
            f"{one.precision:.0%}",
            f"{one.before:.1%} → {one.after:.1%}",
            f"{one.generated_before:.1%} → {one.generated_after:.1%}",
            f"{one.steps} steps, {one.seconds:.0f} s",
            "met" if one.met else "missed",
        )
    console.print(table)


def _by_kind(one: LearnedAction) -> str:
    counts = {kind: f"({people}, {count})" for kind, (people, count) in one.judges.items()}
    return "\n".join(f"{kind} {share:.0%} {counts[kind]}" for kind, share in one.recall_by_kind.items())
