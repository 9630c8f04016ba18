"""`partstream footage`: score a checkpoint on labelled real footage, packaged or of a data folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands.application import Application
from commands.ending import EXIT_USAGE, error_console, exiting, fail, plain_console, printable, say
from commands.json_file import check_json_file, write_json
from commands.models.footage_tables import show_clips, show_films, show_precision, show_sequences
from commands.options import DetectorSizeOption, DeviceOption, JsonFileOption, ProfileOption, parse_detector_size
from stages.runtimes.machine import usable_cores

if TYPE_CHECKING:
    from stages.checkpoint import Checkpoint
    from training.footage.labels import ClipLabels, Half
    from training.scoring.clips import ClipScore
    from training.scoring.figures import FilmFigures, FrameFigures, SequenceFigures
    from training.scoring.film_sets import FilmSet, WatchedSet
    from training.scoring.sequence_sets import SequenceSet

footage_app = Application(help="Score a checkpoint on labelled real footage.", no_args_is_help=True)
HalfChoice = Literal["development", "test", "both"]


@dataclass(frozen=True, slots=True)
class _DataScoring:
    """What to score: a checkpoint on sets of a data folder, None for those to choose a checkpoint on.

    `cache`: the folder of watched videos, None for the user's cache.
    """

    data: Path
    sets: Sequence[str] | None
    profile: str
    device: str
    detector_size: tuple[int, int] | None
    smoothed: bool
    workers: int
    cache: Path | None = None


@footage_app.command("score", epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 weights or footage not fetched.")
def score_command(
    half: Annotated[
        HalfChoice, typer.Option(help="Use the test half once for each release, otherwise the development half.")
    ] = "development",
    clip: Annotated[
        list[str] | None, typer.Option("--clip", metavar="NAME", help="Only this clip; can be repeated.")
    ] = None,
    profile: ProfileOption = "edge",
    detector_size: DetectorSizeOption = None,
    device: DeviceOption = "auto",
    smoothed: Annotated[
        bool, typer.Option("--smoothed", help="Score smoothed labels, from which events are made.")
    ] = False,
    out: JsonFileOption = None,
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
    from training.console import progress_bar
    from training.scoring.clips import packaged_labels, score_clip
    from training.scoring.figures import clip_figures, clips_json

    size = parse_detector_size(detector_size)
    check_json_file(out)
    if data is not None:
        if clip or half != "development":
            fail("--half and --clip are for the packaged clips; with --data, choose sets with --set", EXIT_USAGE)
        _score_data(_DataScoring(data, sets, profile, device, size, smoothed, workers or usable_cores()), out)
        return
    if sets or workers:
        fail("--set and --workers need --data", EXIT_USAGE)
    from stages.profiles import load_model

    halves: list[Half] = ["development", "test"] if half == "both" else [half]
    chosen = _choose(packaged_labels(), clip)
    with exiting({ValueError: EXIT_USAGE}):
        pipeline = load_model(profile, device)
    groups: dict[tuple[Half, str], list[ClipScore]] = {}
    with progress_bar("scoring clips") as progress:
        for done, labellers in enumerate(chosen):
            progress(done, len(chosen))
            for score in score_clip(pipeline, labellers, halves, size, smoothed=smoothed):
                groups.setdefault((score.half, score.labeller), []).append(score)
    say(f"{profile} ({pipeline.info.weights[:19]}…)")
    for found in groups.values():
        show_clips(clip_figures(found), found, plain_console)
    content = {
        "profile": pipeline.info.profile,
        "weights": pipeline.info.weights,
        "detector_size": size,
        "smoothed": smoothed,
        "scores": [{"half": half, "labeller": who, **clips_json(scores)} for (half, who), scores in groups.items()],
    }
    # After the tables, so that they are not lost if the disk is full.
    write_json(out, content, [Path(pipeline.info.profile)])


def _choose(clips: dict[str, list[ClipLabels]], names: list[str] | None) -> list[list[ClipLabels]]:
    if unknown := [name for name in names or [] if name not in clips]:
        fail(f"no labels for {', '.join(unknown)}; the labelled clips are {', '.join(clips)}", EXIT_USAGE)
    return [labellers for name, labellers in clips.items() if not names or name in names]


def _score_data(chosen: _DataScoring, out: Path | None) -> None:
    """Score, print, and write figures to `out`.

    Raises `ScoringError` and `DataFolderError` for arguments and files that cannot be used, and `WeightsError`.
    """
    from stages.profiles import choose_device, load_checkpoint
    from training.scoring.figures import FrameFigures, film_figures
    from training.scoring.film_sets import answered_films
    from training.scoring.sequence_sets import score_sequences

    films, sequences = _chosen_sets(chosen.data, chosen.sets)
    with exiting({ValueError: EXIT_USAGE}):
        device = choose_device(chosen.device)
    checkpoint = load_checkpoint(chosen.profile, device)
    say(f"{chosen.profile} ({checkpoint.sha256[:19]}…)")
    scores: list[FilmFigures] = []
    for watched in _watch(chosen, films, checkpoint) if films else ():
        answered = answered_films(checkpoint, watched)
        scores.append(film_figures(watched.chosen.name, answered, watched.chosen.macro, smoothed=chosen.smoothed))
        show_films(scores[-1], plain_console)
        if watched.skipped:
            words = f"{watched.chosen.name}: not scored: {', '.join(watched.skipped)}"
            error_console.print(printable(words), markup=False)
    pooled = FrameFigures("all videos", tuple(one for score in scores for one in score.frames.judged))
    if len(scores) > 1:
        show_precision(pooled, plain_console, pooled.name)
    moved: list[SequenceFigures] = []
    for one in sequences:
        moved.append(score_sequences(checkpoint, chosen.data, one))
        show_sequences(moved[-1], plain_console)
    write_json(out, _content(chosen, checkpoint, scores, pooled, moved), [Path(chosen.profile)])


def _chosen_sets(data: Path, names: Sequence[str] | None) -> tuple[list[FilmSet], list[SequenceSet]]:
    """Return the sets of these names, or those to choose a checkpoint on that the data folder has.

    Raises `ScoringError` for a name that is none of them, and if there is nothing to score.
    """
    from training.scoring import film_sets, sequence_sets
    from training.scoring.film_sets import ScoringError

    wanted = dict.fromkeys(names or [one.name for one in (*film_sets.CHOOSING, *sequence_sets.CHOOSING)])
    sequences = {name: found for name in wanted if (found := sequence_sets.sequence_set(data, name))}
    films = {name: found for name in wanted if (found := film_sets.film_set(data, name))}
    lacking = [name for name in wanted if name not in films and name not in sequences]
    if lacking and (names or len(lacking) == len(wanted)):
        known = (*film_sets.CHOOSING, *sequence_sets.CHOOSING, *film_sets.JUDGING, *sequence_sets.JUDGING)
        raise ScoringError(
            f"{data}: has nothing for {', '.join(lacking)}; sets are {', '.join(one.name for one in known)}, and the "
            f"folders in {data / 'video'}"
        )
    return list(films.values()), list(sequences.values())


def _watch(chosen: _DataScoring, films: Sequence[FilmSet], checkpoint: Checkpoint) -> list[WatchedSet]:
    from training.console import progress_bar
    from training.scoring.film_sets import watched_sets

    with progress_bar("analysing videos") as progress:
        return watched_sets(
            chosen.data,
            films,
            checkpoint,
            detector_size=chosen.detector_size,
            workers=chosen.workers,
            progress=progress,
            cache=chosen.cache,
        )


def _content(
    chosen: _DataScoring,
    checkpoint: Checkpoint,
    scores: Sequence[FilmFigures],
    pooled: FrameFigures,
    sequences: Sequence[SequenceFigures],
) -> dict[str, Any]:
    return {
        "profile": checkpoint.profile,
        "weights": checkpoint.sha256,
        "vocabulary": list(checkpoint.vocabulary.actions),
        "detector_size": chosen.detector_size,
        "smoothed": chosen.smoothed,
        "films": {score.frames.name: score.as_json() for score in scores},
        "all_films": {"at_least": pooled.as_json()["at_least"]},
        "sequences": {one.last.name: one.as_json() for one in sequences},
    }
