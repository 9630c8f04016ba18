"""A training run in the terminal: fetch what it needs, show its progress, print its figures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from commands.console.amounts import counted
from commands.console.asset_console import fetch_asset
from commands.console.tables import table, text
from stages.packaged_checkpoints import EDGE, EDGE_OPEN
from stages.profiles import load_checkpoint
from stages.third_party import weights
from training.annotated_videos.clips import Folder
from training.annotated_videos.feature_cache import DETECTOR
from training.console import progress_bar, stopped_by_signals
from training.run.clip_run import (
    ClipRun,
    ExampleRun,
    VerdictRun,
    for_clips,
    open_example_run,
    open_verdict_run,
    watched_folder,
    with_sizes_of,
)
from training.run.learning.batches import generates
from training.run.learning.training_run import TrainingError, choose_device
from training.run.record import training_command
from training.run.train import Outcome, check_output, train
from training.settings.run_config import MINUTES, MOVENET, TrainingConfig
from training.sources.examples.example_clips import FEWEST_TO_MEASURE
from training.sources.formats.importing import missing_sources
from training.sources.recorded import RecordedMotion, open_recorded
from training.sources.terms import read_sources

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
    """Return the figures of `training.run.validation.held_out` as a table."""
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
    """Return the figures of `training.run.validation.held_out` as a table."""
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


GENERATED = (EDGE, EDGE_OPEN)
"""Profiles for which motion is generated. Others are trained on a folder's own labels."""


def train_profile(
    config: TrainingConfig,
    out: Path,
    *,
    console: Console,
    file: Path | None = None,
    resume: bool = False,
    minutes: float | None = None,
    threads: int = 1,
    workers: int = 1,
) -> Outcome:
    """Train and write the checkpoint to `out`, with a progress bar.

    `file` is the configuration's file, for the command that the checkpoint records. With clips, `minutes` is by
    default `MINUTES`, and counts from the start, with the time to watch the clips. Ctrl-C and SIGTERM end the run
    after the current step, a second one at once. A folder's videos are first analysed in `workers` processes; there,
    Ctrl-C ends the run at once and keeps the results.

    Raises `TrainingError` for a profile that cannot be trained on generated motion, `DatasetError` for a folder that
    cannot be used, and what `train` raises.
    """
    if config.profile not in GENERATED and (generates(config) or config.data.vocabulary == "profile"):
        raise TrainingError(
            f"profile {config.profile!r} cannot be trained on generated motion (it is for {', '.join(GENERATED)}). "
            "Train it on a folder's own labels: set data.folder, and data.folder_share to 1"
        )
    begun = time.monotonic()
    check_output(out)
    choose_device(config)  # before anything is fetched
    torch.set_num_threads(threads)
    if config.data.recorded.folder is not None or (config.data.folder is None and config.data.clips is None):
        _name_missing(config, console)
    for name in needed(config):
        fetch_asset(name, console)
    if config.start is not None and config.data.clips is None:
        config = with_sizes_of(config, load_checkpoint(config.start))
    videos = _analyse_folder(config, workers, console) if config.data.folder else None
    recorded = _open_recorded(config, workers, console) if config.data.recorded.folder else None
    clips = _watch_clips(config, workers, console)
    if clips is not None:
        config = for_clips(config, clips)
        minutes = max(0.0, (MINUTES if minutes is None else minutes) - (time.monotonic() - begun) / 60)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        stopped_by_signals() as stop,
        Progress(*columns, TextColumn("{task.fields[losses]}"), console=console) as progress,
    ):
        task = progress.add_task("training", total=config.steps, losses="")

        def report(step: int, total: int, losses: dict[str, float]) -> None:
            shown = f"loss {losses['total']:.3f}  states {losses['states']:.3f}  action {losses['last_step']:.3f}"
            progress.update(task, completed=step, total=total, losses=shown)

        command = training_command(config, out, file)
        outcome = train(
            config,
            out,
            resume=resume,
            minutes=minutes,
            videos=videos,
            recorded=recorded,
            clips=clips,
            command=command,
            report=report,
            stop=stop,
        )
    if "held_out_people" in outcome.checkpoint.metrics:
        console.print(_people_summary(outcome.checkpoint.metrics["held_out_people"]))
    if "held_out_examples" in outcome.checkpoint.metrics:
        console.print(example_summary(outcome.checkpoint.metrics["held_out_examples"]))
    if "held_out_verdicts" in outcome.checkpoint.metrics:
        console.print(verdict_summary(outcome.checkpoint.metrics["held_out_verdicts"]))
    for name, title in _TITLES.items():
        if name in outcome.checkpoint.metrics:
            console.print(_summary(title, outcome.checkpoint.metrics[name]))
    if outcome.ending != "done":
        console.print(_ENDINGS[outcome.ending].format(step=outcome.step, steps=config.steps), highlight=False)
    console.print(f"terms of the weights: {text(str(outcome.checkpoint.terms))}", highlight=False, soft_wrap=True)
    console.print(f"wrote {text(str(out))} ({out.stat().st_size / 1e6:.1f} MB)", highlight=False, soft_wrap=True)
    return outcome


_TITLES = {"held_out": "held-out motions, cameras and people", "held_out_videos": "held-out videos"}
FIRST_SKIPPED = 10
_ENDINGS = {
    "minutes": "out of time after step {step} of {steps}; continue with --resume",
    "patience": "ended after step {step} of {steps}: no improvement for evaluation.patience evaluations",
    "interrupted": "stopped after step {step} of {steps}, without an evaluation; continue with --resume",
}


def needed(config: TrainingConfig) -> list[str]:
    """Return the names of the assets that a run reads, so that a missing one is found before hours of work."""
    model = config.model
    named = [] if config.data.clips else [model.language_model]  # the checkpoint has its table
    if model.visual != "none" and model.regions == "vgg" and model.vgg.weights is not None:
        named.append(model.vgg.weights)
    known = {asset.name for asset in weights.assets()}
    return [
        # What a data folder lacks is generated.
        *(["motion"] if generates(config, ["examples", "verdicts"]) else []),
        *([DETECTOR] if _watches(config) else []),
        *(name for name in named if name in known),
    ]


def _watch_clips(config: TrainingConfig, workers: int, console: Console) -> ClipRun[Any] | None:
    """Return the run on the configuration's clips, None without any."""
    if config.data.verdicts.folder is not None:
        return watch_verdicts(config, workers, console)
    return watch_examples(config, workers, console) if config.data.examples.folder is not None else None


def _watches(config: TrainingConfig) -> bool:
    """Return whether the run may need MoveNet to analyse videos."""
    data = config.data
    return bool(data.clips or (data.folder and config.model.detector == MOVENET)) or data.recorded.shares["tracks"] > 0


def _analyse_folder(config: TrainingConfig, workers: int, console: Console) -> Folder:
    """Run the detector on the folder's videos, with a bar. Print which videos and labels are skipped."""
    with progress_bar("analysing videos") as progress:
        videos = watched_folder(config, workers, progress)
    for video in videos.skipped[:FIRST_SKIPPED]:
        console.print(f"[red]skipped:[/] {escape(f'{video.path}: {video.message}')}", highlight=False, soft_wrap=True)
    if len(videos.skipped) > FIRST_SKIPPED:
        console.print(f"… and {len(videos.skipped) - FIRST_SKIPPED} more videos", highlight=False)
    for kind, names in (("actions", videos.unknown.actions), ("part states", videos.unknown.states)):
        if names:
            shown = ", ".join(name for name, _ in names.most_common(5))
            console.print(
                f"{kind} that are not in the vocabulary, masked: {sum(names.values())} times, e.g. {text(shown)}",
                highlight=False,
                soft_wrap=True,
            )
    counts = {role: len(clips) for role, clips in videos.clips.items()}
    console.print(
        f"{counts['train']} videos for training, {counts['validation']} for validation, {counts['test']} for testing",
        highlight=False,
    )
    return videos


def _open_recorded(config: TrainingConfig, workers: int, console: Console) -> RecordedMotion:
    """Read recorded motion and run the detector on its videos, with a bar. Print the sources and their terms."""
    with progress_bar("analysing videos of the data folder") as progress:
        recorded = open_recorded(config.data.recorded, workers, progress)
    shown = table("source", "terms", "clips", words=2, title="learned from")
    for name, facts in recorded.summary()["sources"].items():
        shown.add_row(text(name), facts["terms"], str(facts["clips"]))
    console.print(shown)
    return recorded


def _name_missing(config: TrainingConfig, console: Console) -> None:
    """Print the public sources of recorded motion that the run could learn from and does not have.

    Raises `DataFolderError` for a data folder that cannot be used.
    """
    recorded = config.data.recorded
    present = read_sources(Path(recorded.folder)) if recorded.folder is not None else {}
    missing = missing_sources(recorded, present)
    if not missing:
        return
    title = "public sources that are missing; training goes on without them"
    shown = table("source", "terms", "home", words=3, title=title)
    for source in missing:
        shown.add_row(source.id, source.terms, text(source.home))
    console.print(shown)
    console.print("`partstream data import` adds one to a data folder (docs/data-folder.md)", highlight=False)


def _people_summary(found: dict[str, Any]) -> Table:
    kinds = found["kinds"]
    shown = table("action", *kinds, title="held-out people of recorded motion (not the test people)")
    actions = dict.fromkeys(action for figures in kinds.values() for action in figures["accuracy"])
    for action in actions:
        shares = (figures["accuracy"].get(action) for figures in kinds.values())
        shown.add_row(action, *("" if share is None else f"{share:.1%}" for share in shares))
    shown.add_section()
    shown.add_row("mean over actions", *(f"{figures['macro_accuracy']:.1%}" for figures in kinds.values()))
    return shown


def _summary(title: str, held_out: dict[str, Any]) -> Table:
    shown = table("action", "accuracy", title=title)
    for action, share in held_out["accuracy"].items():
        shown.add_row(action, f"{share:.1%}")
    shown.add_section()
    rows = {
        "mean over actions": held_out["macro_accuracy"],
        "videos": held_out.get("video_accuracy"),
        "part state correctness": held_out.get("part_state_correctness"),
        "area of the benchmark": held_out.get("area"),
        "part states, mean average precision": held_out["states"]["mean_ap"],
        "part relevance, area under the curve": held_out["relevance_auc"],
    }
    for name, share in rows.items():
        if share is not None:
            shown.add_row(name, f"{share:.1%}")
    found = held_out["calibration"]
    if found["steps"]:
        shown.add_row("expected calibration error, as trained", f"{found['expected_error_before']:.1%}")
        shown.add_row(f"… at temperature {found['temperature']:.2f}", f"{found['expected_error_after']:.1%}")
    return shown
