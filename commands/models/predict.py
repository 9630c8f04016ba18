"""`partstream predict`: recognise every test video, and write the benchmark's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import lines
from commands.ending import EXIT_FAILED, EXIT_USAGE, error_console, exiting, printable, say, stopping
from commands.options import DetectorSizeOption, DeviceOption, ProfileOption, parse_detector_size

if TYPE_CHECKING:
    from training.benchmark.answer_folder import AnswerFolder, MadeWith
    from training.benchmark.predict import FoundVideos

EPILOG = lines(
    "`partstream predict --videos DIR --out submission`",
    "Exit codes: 0 every video was answered, 1 some have errors (each is named), 2 usage, 3 weights",
)


def predict_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output directory. A stopped run continues there.")],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A data set in the Kinetics-TPS layout, for its test videos.")
    ] = None,
    videos: Annotated[Path | None, typer.Option(metavar="DIR", help="Or a folder of videos.")] = None,
    profile: ProfileOption = "edge",
    every: Annotated[
        int, typer.Option(min=1, metavar="N", help="Report frames 1, 1 + N, 1 + 2 N … All are analysed.")
    ] = 5,
    detector_size: DetectorSizeOption = None,
    device: DeviceOption = "auto",
    force: Annotated[bool, typer.Option("--force", help="Also answer videos that have an answer in --out.")] = False,
) -> None:
    """Write prediction files for test videos.

    They have the benchmark's format: people, parts and states by frame, and the class of each video.
    """
    if (data is None) == (videos is None):
        raise typer.BadParameter("give a data set or a folder of videos: either --data or --videos")
    size = parse_detector_size(detector_size)
    from stages.profiles import load_checkpoint
    from training.benchmark.answer_folder import AnswerFolder, MadeWith
    from training.benchmark.predict import videos_of_data_set, videos_of_folder

    if data is not None:
        found = videos_of_data_set(data)
    else:
        assert videos is not None
        found = videos_of_folder(videos)
    checkpoint = load_checkpoint(profile)
    made_with = MadeWith(checkpoint.sha256, every, size)
    folder = AnswerFolder(out, made_with)
    before = set[str]() if force else folder.answered(found.names)
    actions = checkpoint.vocabulary.actions
    with stopping("stopped; the answers are kept, and the same command continues from there"):
        errors = _answer(found, before, folder, actions, made_with, (profile, device))
    folder.assemble(found.names)
    earlier = f", {len(before)} of them in an earlier run" if before else ""
    bad = f"; {errors} with errors" if errors else ""
    say(f"answered {len(found.names)} videos{earlier}{bad}; the files are in {out}")
    if errors:
        raise typer.Exit(EXIT_FAILED)


def _answer(
    found: FoundVideos,
    before: set[str],
    folder: AnswerFolder,
    actions: tuple[str, ...],
    made_with: MadeWith,
    model: tuple[str, str],
) -> int:
    """Answer the videos that have no answer yet. Print each error, and return how many videos have one."""
    from stages.profiles import load_model
    from training.benchmark.predict import answer_unreadable, answer_video
    from training.console import progress_bar

    for sentence in found.misnamed:
        _say(f"skipped: {sentence}")
    for name, error in found.unusable.items():
        _say(f"not analysed: {error}")
        folder.keep(name, answer_unreadable(actions, made_with, error))
    errors = len(found.misnamed) + len(found.unusable)
    todo = [video for video in found.usable if video.name not in before]
    if not todo:
        return errors
    with exiting({ValueError: EXIT_USAGE}):
        pipeline = load_model(*model)
    with progress_bar("answering videos") as progress:
        for done, video in enumerate(todo, 1):
            answer = answer_video(pipeline, video.path, actions, made_with)
            folder.keep(video.name, answer)
            if answer.error is not None:
                errors += 1
                analysed = f"{len(answer.online)} frames were analysed"
                _say(f"error: {video.path}: {answer.error}; {analysed}")
            progress(done, len(todo))
    return errors


def _say(text: str) -> None:
    error_console.print(printable(text), markup=False)
