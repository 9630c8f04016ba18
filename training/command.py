"""`run_stream.py train`: fetches what training needs, shows how it goes, prints what came of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from stages import weights
from stages.checkpoint import Checkpoint
from training.train import TrainingConfig, TrainingError, train

PROFILES = ("edge",)


def train_profile(
    *,
    profile: str,
    out: Path,
    console: Console,
    steps: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    minutes: float | None = None,
    threads: int = 1,
) -> Checkpoint:
    """Train `profile` and write its checkpoint to `out`, with a progress bar. The defaults make the shipped one.

    Raises TrainingError for a profile that can't be trained on generated motion, and what `train` raises.
    """
    if profile not in PROFILES:
        raise TrainingError(
            f"profile {profile!r} can't be trained on generated motion; this command trains: {', '.join(PROFILES)}"
        )
    defaults = TrainingConfig()
    config = TrainingConfig(
        profile=profile,
        steps=defaults.steps if steps is None else steps,
        seed=defaults.seed if seed is None else seed,
    )
    torch.set_num_threads(threads)
    for name in ("motion", "minilm"):
        _fetch(name, console)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[losses]}"), console=console) as progress:
        task = progress.add_task("training", total=config.steps, losses="")

        def report(step: int, total: int, losses: dict[str, float]) -> None:
            shown = f"loss {losses['total']:.3f}  states {losses['states']:.3f}  action {losses['last']:.3f}"
            progress.update(task, completed=step, total=total, losses=shown)

        command = training_command(config, out)
        checkpoint = train(config, out, resume=resume, minutes=minutes, command=command, report=report)
    console.print(_summary(checkpoint))
    console.print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")
    return checkpoint


def training_command(config: TrainingConfig, out: Path) -> str:
    """The command that repeats this run, for the checkpoint."""
    words = ["run_stream.py", "train", "--profile", config.profile, "--steps", str(config.steps)]
    return shlex.join([*words, "--seed", str(config.seed), "--out", out.name])


def _fetch(name: str, console: Console) -> None:
    if weights.present(name):
        return
    columns = (TextColumn("fetching {task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name)
        weights.fetch(name, lambda done, total: progress.update(task, completed=done, total=total))


def _summary(checkpoint: Checkpoint) -> Table:
    held_out = checkpoint.metrics.get("held_out", {})
    table = Table(title="held-out motions, cameras and people", title_justify="left")
    table.add_column("action")
    table.add_column("right", justify="right")
    for action, share in held_out.get("accuracy", {}).items():
        table.add_row(action, f"{share:.1%}")
    if held_out:
        table.add_section()
        table.add_row("mean of the actions", f"{held_out['macro_accuracy']:.1%}")
        table.add_row("part states, mean average precision", f"{held_out['states']['mean_ap']:.1%}")
        table.add_row("part relevance, area under the curve", f"{held_out['relevance_auc']:.1%}")
    return table
