"""Examples of new actions in the terminal: analysing the clips, what was found, and the figures at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from commands.ending import printable
from commands.models.analysing import analysing
from training.run.example_run import ExampleRun, open_example_run
from training.settings.run_config import TrainingConfig
from training.sources.examples.example_clips import FEWEST_TO_MEASURE

ADVISED = 10
"""Fewer clips of an action probably give a weak result."""


def watch_examples(config: TrainingConfig, workers: int, console: Console) -> ExampleRun:
    """Run the detector on the clips, with a bar. Print what will be learned, and what was left out and why."""
    with analysing("analysing clips", console) as progress:
        run = open_example_run(config, workers, progress)
    for message in run.clips.left_out:
        console.print(f"[red]left out:[/] {escape(printable(message))}", highlight=False, soft_wrap=True)
    for line in notes(run):
        console.print(escape(line), highlight=False, soft_wrap=True)
    return run


def notes(run: ExampleRun) -> list[str]:
    """Return a line for each action: whether it is new, its clips, and whether they are too few."""
    lines: list[str] = []
    for action in run.clips.actions:
        learned, held_out = (run.clips.count(action, role) for role in ("train", "test"))
        kind = "new action" if action in run.new else "known action, trained further"
        line = f"{action}: {kind}; {_clips(learned)} to learn from, {held_out} held out to measure"
        if learned + held_out < FEWEST_TO_MEASURE:
            line += (
                f". Too few: with fewer than {FEWEST_TO_MEASURE} clips nothing can be measured, and other people may "
                f"not be recognised; film at least {ADVISED}, of several people"
            )
        elif learned + held_out < ADVISED:
            line += f". More would be better: film at least {ADVISED}, of several people"
        lines.append(line)
    return lines


def example_summary(found: dict[str, Any]) -> Table:
    """Return the figures of `training.run.validation.example_evaluation` as a table."""
    table = Table(title="held-out clips", title_justify="left")
    table.add_column("action")
    for column in ("clips learned", "held out", "recall", "precision"):
        table.add_column(column, justify="right")
    for action, figures in found["actions"].items():
        shown = [f"{figures[name]:.0%}" if name in figures else "not measured" for name in ("recall", "precision")]
        table.add_row(action, str(figures["learned"]), str(figures["held_out"]), *shown)
    caption_known_actions(table, found)
    return table


def caption_known_actions(table: Table, found: Mapping[str, Any]) -> None:
    """Write below a table what became of the actions that the checkpoint knew, if it was measured."""
    if "before" in found:
        table.caption = (
            f"known actions on generated motion: {found['before']:.1%} correct before, {found['after']:.1%} after"
        )
        table.caption_justify = "left"


def _clips(number: int) -> str:
    return f"{number} clip" if number == 1 else f"{number} clips"
