"""Verdicts in the terminal: analysing their clips, what was found, and the figures at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from commands.ending import printable
from commands.models.analysing import analysing
from commands.models.clips.example_console import caption_known_actions
from training.run.verdict_run import VerdictRun, open_verdict_run
from training.settings.run_config import TrainingConfig


def watch_verdicts(config: TrainingConfig, workers: int, console: Console) -> VerdictRun:
    """Run the detector on the clips, with a bar. Print what will be learned, and what was left out and why."""
    with analysing("analysing clips", console) as progress:
        run = open_verdict_run(config, workers, progress)
    clips = run.clips
    for kind, messages in (("damaged", clips.damaged), ("left out", clips.left_out), ("in part", clips.in_part)):
        for message in messages:
            console.print(f"[red]{kind}:[/] {escape(printable(message))}", highlight=False, soft_wrap=True)
    for line in notes(run):
        console.print(escape(line), highlight=False, soft_wrap=True)
    return run


def notes(run: VerdictRun) -> list[str]:
    """Return a line for each action that was said, with its verdicts, and one with the numbers of all."""
    clips = run.clips
    learned, held_out = clips.counts(held_out=False), clips.counts(held_out=True)
    lines: list[str] = []
    for said in clips.counts():
        line = f"{said}: {_verdicts(learned.get(said, {}))} to learn from, {_verdicts(held_out.get(said, {}))} held out"
        if said not in held_out:
            line += ". Nothing is measured: none of its clips is held out"
        if said not in learned:
            line += ". Nothing is learned: all of its clips are held out"
        lines.append(line)
    if run.new:
        lines.append(f"new actions: {', '.join(run.new)}")
    used = sum(1 for _ in clips.verdicts())
    return [
        *lines,
        f"{used} verdicts on {len(clips.clips)} clips, {len(clips.in_part)} of them in part; left out: "
        f"{len(clips.left_out)}; damaged files: {len(clips.damaged)}",
    ]


def verdict_summary(found: Mapping[str, Any]) -> Table:
    """Return the figures of `training.run.validation.verdict_evaluation` as a table."""
    table = Table(title="held-out verdicts, before → after", title_justify="left")
    table.add_column("said")
    for column in ("learned", "held out", "true action found", "said nevertheless"):
        table.add_column(column, justify="right")
    for said, figures in found["actions"].items():
        counts = (str(sum(figures[name].values())) for name in ("learned", "held_out"))
        shares = (
            " → ".join(f"{share:.0%}" for share in figures[name]) if name in figures else "not measured"
            for name in ("found", "false")
        )
        table.add_row(escape(printable(said)), *counts, *shares)
    caption_known_actions(table, found)
    return table


def _verdicts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items()) or "none"
