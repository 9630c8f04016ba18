"""`partstream footage`: score a checkpoint on labelled real footage, packaged or of a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.application import Application
from commands.ending import EXIT_USAGE, exiting, fail, plain_console, say
from commands.json_file import check_json_file, write_json
from commands.models.footage_data import DataScoring, score_data
from commands.models.footage_tables import show_clips
from commands.options import DetectorSizeOption, DeviceOption, JsonFileOption, ProfileOption, parse_detector_size
from stages.runtimes.machine import usable_cores

if TYPE_CHECKING:
    from training.footage.labels import ClipLabels, Half
    from training.scoring.clips import ClipScore

footage_app = Application(help="Score a checkpoint on labelled real footage.", no_args_is_help=True)
HalfChoice = Literal["development", "test", "both"]


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
    from training.console.progress_bar import progress_bar
    from training.scoring.clips import packaged_labels, score_clip
    from training.scoring.figures import clip_figures, clips_json

    size = parse_detector_size(detector_size)
    check_json_file(out)
    if data is not None:
        if clip or half != "development":
            fail("--half and --clip are for the packaged clips; with --data, choose sets with --set", EXIT_USAGE)
        score_data(DataScoring(data, sets, profile, device, size, smoothed, workers or usable_cores()), out)
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
