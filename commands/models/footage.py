"""`partstream footage`: score a checkpoint on labelled real footage, packaged or of a data folder."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import Application
from commands.detector_size import DetectorSizeOption, parse_detector_size
from commands.ending import (
    EXIT_FAILED,
    EXIT_USAGE,
    EXIT_WEIGHTS,
    error_console,
    exiting,
    fail,
    plain_console,
    printable,
)
from commands.models.footage_data import DataScoring, score_data
from commands.models.footage_tables import show_clips
from stages.runtimes.machine import usable_cores
from stream import output_file

if TYPE_CHECKING:
    from stages.pipeline import Pipeline
    from training.footage.labels import ClipLabels, Half
    from training.scoring.clips import ClipScore

footage_app = Application(help="Score a checkpoint on labelled real footage.", no_args_is_help=True)


class HalfChoice(StrEnum):
    """Half of each clip, in time."""

    development = "development"
    test = "test"
    both = "both"


class CommandError(RuntimeError):
    """A clip, checkpoint or file of the arguments cannot be used. The message says what to do."""


@footage_app.command("score", epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 weights or footage not fetched.")
def score_command(
    half: Annotated[
        HalfChoice, typer.Option(help="Use the test half once for each release, otherwise the development half.")
    ] = HalfChoice.development,
    clip: Annotated[
        list[str] | None, typer.Option("--clip", metavar="NAME", help="Only this clip; can be repeated.")
    ] = None,
    profile: Annotated[str, typer.Option(metavar="NAME|PATH", help="edge, edge-open or a checkpoint file.")] = "edge",
    detector_size: DetectorSizeOption = None,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda:N.")] = "auto",
    smoothed: Annotated[
        bool, typer.Option("--smoothed", help="Score smoothed labels, from which events are made.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the scores as JSON.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Score on this data folder instead of the packaged clips.", show_default=False
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME",
            help="With --data, a set to score on; can be repeated. To choose a checkpoint: coffee-room, "
            "gestures-learn, captures-validation, jhmdb-validation; to judge one, once: le2i-home, urfd, gestures, "
            "captures, captures-all, jhmdb, or another source of videos.",
            show_default="the sets to choose a checkpoint on",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="With --data, processes that analyse videos.", show_default="one per core"
        ),
    ] = None,
) -> None:
    """Score a checkpoint on labelled footage, and print its accuracy.

    Without --data, the packaged clips are scored, in person-seconds.
    """
    from training.scoring.clips import packaged_labels, score_clip
    from training.scoring.figures import clip_figures

    size = parse_detector_size(detector_size)
    if data is not None:
        if clip or half is not HalfChoice.development:
            fail("--half and --clip are for the packaged clips; with --data, choose sets with --set", EXIT_USAGE)
        scored = DataScoring(data, sets, profile, device, size, smoothed, workers or usable_cores())
        with _errors():
            _check_file(out)
            _score_data(scored, out)
        return
    if sets or workers:
        fail("--set and --workers need --data", EXIT_USAGE)
    halves: list[Half] = ["development", "test"] if half is HalfChoice.both else [half.value]
    with _errors():
        chosen = _choose(packaged_labels(), clip)
        _check_file(out)
        pipeline = _load(profile, device)
        scores = [
            score
            for labellers in _progress(list(chosen.values()))
            for score in score_clip(pipeline, labellers, halves, size, smoothed=smoothed)
        ]
        groups: dict[tuple[Half, str], list[ClipScore]] = {}
        for score in scores:
            groups.setdefault((score.half, score.labeller), []).append(score)
        plain_console.print(printable(f"{profile} ({pipeline.info.weights[:19]}…)"), markup=False)
        for found in groups.values():
            show_clips(clip_figures(found), found, plain_console)
        # After the tables, so that they are not lost if the disk is full.
        if out is not None:
            _write(out, pipeline, size, smoothed, groups)


def _score_data(scored: DataScoring, out: Path | None) -> None:
    from concurrent.futures.process import BrokenProcessPool

    from training.run.data_folder import KILLED
    from training.scoring.film_sets import ScoringError
    from training.sources.terms import DataFolderError

    try:
        score_data(scored, out)
    except BrokenProcessPool:
        raise CommandError(f"{scored.data}: {KILLED}") from None
    except (ScoringError, DataFolderError, ValueError, ImportError) as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}") from None


def _choose(clips: dict[str, list[ClipLabels]], names: list[str] | None) -> dict[str, list[ClipLabels]]:
    if unknown := [name for name in names or [] if name not in clips]:
        raise CommandError(f"no labels for {', '.join(unknown)}; the labelled clips are {', '.join(clips)}")
    return {name: labellers for name, labellers in clips.items() if not names or name in names}


def _load(profile: str, device: str) -> Pipeline:
    from stages.profiles import load_model

    try:
        return load_model(profile, device)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _write(
    path: Path,
    pipeline: Pipeline,
    size: tuple[int, int] | None,
    smoothed: bool,
    groups: dict[tuple[Half, str], list[ClipScore]],
) -> None:
    from training.scoring.figures import clips_json

    content = {
        "profile": pipeline.info.profile,
        "weights": pipeline.info.weights,
        "detector_size": size,
        "smoothed": smoothed,
        "scores": [
            {"half": half, "labeller": labeller, **clips_json(scores)} for (half, labeller), scores in groups.items()
        ],
    }
    try:
        with output_file.replacing(path, [Path(pipeline.info.profile)]) as unfinished:
            unfinished.write_text(json.dumps(content) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from None


def _check_file(path: Path | None) -> None:
    """Raise `CommandError` for a place that no file can be written to, before the footage is run."""
    if path is None:
        return
    try:
        fits = path.parent.is_dir() and not path.is_dir()
    except OSError as error:  # such as a name that is too long
        raise CommandError(f"--json {path}: can't be written: {error.strerror or error}") from None
    if not fits:
        raise CommandError(f"--json {path}: can't be written: give the path of a file in an existing folder")


def _progress(clips: list[list[ClipLabels]]) -> Generator[list[ClipLabels]]:
    """Yield the clips one by one, with a bar on stderr if it is a terminal."""
    from rich.progress import Progress

    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as progress:
        task = progress.add_task("", total=len(clips))
        for labellers in clips:
            progress.update(task, description=labellers[0].clip)
            yield labellers
            progress.advance(task)


def _errors() -> AbstractContextManager[None]:
    from stages.third_party.weights import WeightsError
    from training.footage.labels import LabelError
    from training.scoring.clips import FootageError

    return exiting(
        {WeightsError: EXIT_WEIGHTS, CommandError: EXIT_USAGE, LabelError: EXIT_USAGE, FootageError: EXIT_FAILED}
    )
