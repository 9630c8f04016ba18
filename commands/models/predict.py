"""`partstream predict`: answers every test video, and writes the benchmark's files."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from commands.models.footage import parse_detector_size

if TYPE_CHECKING:
    from rich.console import Console

    from training.benchmark.answer_folder import AnswerFolder, MadeWith
    from training.benchmark.predict import FoundVideos

# Heavy imports (torch, av) happen inside the command, so that help and mistakes answer at once.

EXIT_ERRORS, EXIT_USAGE, EXIT_WEIGHTS, EXIT_INTERRUPTED = 1, 2, 3, 130

EPILOG = "Exit codes: 0 every video was answered, 1 some have errors (each is named), 2 usage, 3 weights."


def predict_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go; a stopped run is taken up there.")],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A data set in the Kinetics-TPS layout: its test videos.")
    ] = None,
    videos: Annotated[Path | None, typer.Option(metavar="DIR", help="Or a folder of videos.")] = None,
    profile: Annotated[str, typer.Option(metavar="NAME|PATH", help="edge, or a checkpoint.")] = "edge",
    every: Annotated[int, typer.Option(min=1, help="Report frames 1, 1 + N, 1 + 2 N …; all are looked at.")] = 5,
    detector_size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="The picture that the detector sees.", show_default="the model's choice"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Answer videos anew that have an answer in --out.")] = False,
) -> None:
    """Write the benchmark's prediction files for test videos: people, parts and states by frame, and each class."""
    if (data is None) == (videos is None):
        raise typer.BadParameter("give a data set or a folder of videos: one of --data and --videos")
    size = parse_detector_size(detector_size)
    from rich.console import Console

    complaints = Console(stderr=True, highlight=False, soft_wrap=True)
    with _errors(complaints):
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
        try:
            errors = _answer(found, before, folder, actions, made_with, (profile, device), complaints)
        except KeyboardInterrupt:
            complaints.print("stopped; what was answered is kept, and the same command goes on from there")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        folder.assemble(found.names)
    earlier = f", {len(before)} of them in an earlier run" if before else ""
    bad = f"; {errors} with errors" if errors else ""
    Console(highlight=False, soft_wrap=True).print(
        f"answered {len(found.names)} videos{earlier}{bad}; the files are in {out}", markup=False
    )
    if errors:
        raise typer.Exit(EXIT_ERRORS)


def _answer(
    found: FoundVideos,
    before: set[str],
    folder: AnswerFolder,
    actions: tuple[str, ...],
    made_with: MadeWith,
    model: tuple[str, str],
    complaints: Console,
) -> int:
    """Answer what isn't yet; returns how many videos have an error, each of which is named."""
    from stages.profiles import load_model
    from training.benchmark.predict import answer_unseen, answer_video

    for sentence in found.misnamed:
        complaints.print(f"[red]left out:[/] {_plain(sentence)}")
    for name, error in found.unusable.items():
        complaints.print(f"[red]not looked at:[/] {_plain(error)}")
        folder.keep(name, answer_unseen(actions, made_with, error))
    errors = len(found.misnamed) + len(found.unusable)
    todo = [video for video in found.usable if video.name not in before]
    if not todo:
        return errors
    try:
        pipeline = load_model(*model)
    except ValueError as error:
        _fail(str(error), EXIT_USAGE, complaints)
    with _progress(len(todo), complaints) as advance:
        for done, video in enumerate(todo):
            answer = answer_video(
                pipeline,
                video.path,
                actions,
                made_with,
                lambda number, name=video.name, done=done: advance(done, f"{name}, frame {number}"),
            )
            folder.keep(video.name, answer)
            if answer.error is not None:
                errors += 1
                seen = f"{len(answer.online)} frames were looked at"
                complaints.print(f"[red]error:[/] {_plain(f'{video.path}: {answer.error}; {seen}')}")
            advance(done + 1, video.name)
    return errors


@contextmanager
def _progress(total: int, console: Console) -> Generator[Callable[[int, str], None]]:
    """A bar on stderr while there is somebody to see it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda done, words: progress.update(task, completed=done, description=words)


@contextmanager
def _errors(complaints: Console) -> Generator[None]:
    """What the user can do something about is a sentence on stderr and an exit code."""
    from stages.third_party.weights import WeightsError
    from training.benchmark.answer_folder import AnswerError
    from training.kinetics_tps import DatasetError

    try:
        yield
    except WeightsError as error:
        _fail(str(error), EXIT_WEIGHTS, complaints)
    except (DatasetError, AnswerError) as error:
        _fail(str(error), EXIT_USAGE, complaints)


def _fail(message: str, code: int, complaints: Console) -> NoReturn:
    complaints.print(f"[bold red]partstream:[/] {_plain(message)}")
    raise typer.Exit(code)


def _plain(text: str) -> str:
    """Safe for rich and for a terminal, whatever a file is called."""
    from rich.markup import escape

    from training.kinetics_tps.data_errors import printable

    return escape(printable(text))
