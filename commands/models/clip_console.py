"""Training on clips of people, in the terminal: what was found in them, and the figures at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from commands.console.amounts import counted
from commands.console.tables import table, text
from training.console.progress_bar import progress_bar
from training.run.clip_run import ExampleRun, VerdictRun, open_example_run, open_verdict_run
from training.settings.run_config import TrainingConfig
from training.sources.examples.example_clips import FEWEST_TO_MEASURE

ADVISED = 10
"""Fewer clips of an action probably give a weak result."""


def watch_examples(config: TrainingConfig, workers: int, console: Console) -> ExampleRun:
    """Run the detector on the clips, with a bar. Print what will be learned, and what was left out and why."""
    with progress_bar("analysing clips") as progress:
        run = open_example_run(config, workers, progress)
    _show((f"left out: {message}" for message in run.clips.left_out), console)
    _show(example_notes(run), console)
    return run


def watch_verdicts(config: TrainingConfig, workers: int, console: Console) -> VerdictRun:
    """Run the detector on the clips, with a bar. Print what will be learned, and what was left out and why."""
    with progress_bar("analysing clips") as progress:
        run = open_verdict_run(config, workers, progress)
    clips = run.clips
    for kind, messages in (("damaged", clips.damaged), ("left out", clips.left_out), ("in part", clips.in_part)):
        _show((f"{kind}: {message}" for message in messages), console)
    _show(verdict_notes(run), console)
    return run


def _show(messages: Iterable[str], console: Console) -> None:
    for message in messages:
        console.print(text(message), highlight=False, soft_wrap=True)


def example_notes(run: ExampleRun) -> list[str]:
    """Return a line for each action: whether it is new, its clips, and whether they are too few."""
    lines: list[str] = []
    for action in run.clips.actions:
        learned, held_out = (run.clips.count(action, role) for role in ("train", "test"))
        kind = "new action" if action in run.new else "known action, trained further"
        line = f"{action}: {kind}; {counted(learned, 'clip')} to learn from, {held_out} held out to measure"
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
    """Return the figures of `training.run.validation.learned_clips` as a table."""
    shown = table("action", "clips learned", "held out", "recall", "precision", title="held-out clips")
    for action, figures in found["actions"].items():
        measured = [f"{figures[name]:.0%}" if name in figures else "not measured" for name in ("recall", "precision")]
        shown.add_row(text(action), str(figures["learned"]), str(figures["held_out"]), *measured)
    _caption(shown, found)
    return shown


def verdict_notes(run: VerdictRun) -> list[str]:
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
    """Return the figures of `training.run.validation.learned_clips` as a table."""
    columns = ("said", "learned", "held out", "true action found", "said nevertheless")
    shown = table(*columns, title="held-out verdicts, before → after")
    for said, figures in found["actions"].items():
        counts = (str(sum(figures[name].values())) for name in ("learned", "held_out"))
        shares = (
            " → ".join(f"{share:.0%}" for share in figures[name]) if name in figures else "not measured"
            for name in ("found", "false")
        )
        shown.add_row(text(said), *counts, *shares)
    _caption(shown, found)
    return shown


def _verdicts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items()) or "none"


def _caption(shown: Table, found: Mapping[str, Any]) -> None:
    """Write below a table what became of the actions that the checkpoint knew, if it was measured."""
    if "before" in found:
        shown.caption = (
            f"known actions on generated motion: {found['before']:.1%} correct before, {found['after']:.1%} after"
        )
