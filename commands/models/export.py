"""`partstream export`: a checkpoint and its detector as ONNX files, each tried in ONNX Runtime before it is kept."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from stages.checkpoint import Checkpoint
    from stages.detection.movenet.movenet import MoveNet
    from stages.export.exporting import ExportedPart
    from stages.export.graph import PartName
    from stages.export.real_inputs import Film

# Heavy imports (torch, av) happen inside the command, so that help and mistakes answer at once.

EXIT_FAILED, EXIT_USAGE, EXIT_WEIGHTS = 1, 2, 3

EPILOG = (
    "Exit codes: 0 done, 1 failed (then no file is kept), 2 usage, 3 weights.  Example:  partstream export --out onnx/"
)

_FILM = ("sports2d", "demo.mp4")
_PICTURES = 8
_EVERY = 3
"""Frames from one picture to the next: 120 ms, about a step."""
_SIDE = 384


def export_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go: PART.onnx and PART.json.")],
    profile: Annotated[str, typer.Option(metavar="NAME|PATH", help="edge, or a checkpoint.")] = "edge",
    parts: Annotated[
        str, typer.Option(metavar="PART,…", help="Which of detector, heads and step.")
    ] = "detector,heads,step",
    opset: Annotated[int, typer.Option(min=18, max=25, help="ONNX operator set.")] = 20,
    without_regions: Annotated[
        bool, typer.Option("--without-regions", help="Heads that answer from keypoints alone, whatever was trained.")
    ] = False,
) -> None:
    """Write a model as ONNX for other runtimes: detector, heads and action step, with what to do around them."""
    chosen = _parse_parts(parts)
    from rich.console import Console

    complaints = Console(stderr=True, highlight=False, soft_wrap=True)
    console = Console(highlight=False)
    with _errors(complaints):
        from stages.export.exporting import export
        from stages.export.onnx_file import check_installed
        from stages.profiles import load_checkpoint
        from training.run.validation.without_regions import from_keypoints_alone

        check_installed()
        checkpoint = load_checkpoint(profile)
        if without_regions:
            try:
                checkpoint = from_keypoints_alone(checkpoint)
            except ValueError as error:
                _fail(f"{profile}: {error}", EXIT_USAGE, complaints)
        if _has_another_detector(checkpoint) and "detector" in chosen:
            _fail(
                f"the detector of profile {checkpoint.profile} (mmdet's) isn't exported here; use --parts heads,step",
                EXIT_USAGE,
                complaints,
            )
        detector = _detector(checkpoint, needed="detector" in chosen)
        film = None if detector is None else _film()
        with console.status("exporting") as status:
            made = export(
                checkpoint,
                detector,
                out,
                chosen,
                opset,
                film,
                lambda part: status.update(f"exporting and checking: {part}"),
            )
    _show(made, console)
    if film is None and not _has_another_detector(checkpoint):
        console.print(
            "compared on random inputs only: real ones come from the detector's weights and footage "
            f"(partstream weights fetch movenet-multipose {_FILM[0]})",
            soft_wrap=True,
        )


def _parse_parts(text: str) -> list[PartName]:
    """Names separated by commas. Raises `BadParameter`."""
    known: tuple[PartName, ...] = ("detector", "heads", "step")
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(known))
    if unknown or not names:
        said = f"unknown: {', '.join(unknown)}; " if unknown else ""
        raise typer.BadParameter(f"{said}give some of {', '.join(known)}, separated by commas", param_hint="--parts")
    return [name for name in known if name in names]


def _has_another_detector(checkpoint: Checkpoint) -> bool:
    """Than the one that can be exported."""
    from stages.profiles import PAPER

    return checkpoint.profile == PAPER or checkpoint.detector is not None


def _detector(checkpoint: Checkpoint, *, needed: bool) -> MoveNet | None:
    """The detector, which also makes the other parts' real inputs; None where those are all it is for and it isn't
    here. Raises `WeightsError` where it is needed.
    """
    from stages.detection.movenet.movenet import MoveNet
    from stages.third_party.weights import WeightsError

    if _has_another_detector(checkpoint):
        return None
    try:
        return MoveNet.load()
    except WeightsError:
        if needed:
            raise
        return None


def _film() -> Film | None:
    """The first second of fetched footage, as a camera would give it; None where it wasn't fetched."""
    import av
    import numpy as np

    from stages.detection.movenet.movenet import slot_format
    from stages.export.real_inputs import Film
    from stages.third_party import weights
    from stages.third_party.weights import WeightsError

    try:
        path = weights.locate(*_FILM)
    except WeightsError:
        return None
    pictures: list[np.ndarray] = []
    content, times = (0, 0), []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % _EVERY:
                continue
            format = slot_format((frame.width, frame.height), (_SIDE, _SIDE))
            content = width, height = format.content
            picture = np.zeros(format.shape, np.uint8)
            picture[:height, :width] = frame.reformat(width, height, "rgb24").to_ndarray()
            pictures.append(picture)
            times.append(round((frame.time or 0.0) * 1e6))
            if len(pictures) == _PICTURES:
                break
    return Film(np.stack(pictures), content, np.array(times, np.int64))


def _show(made: Sequence[ExportedPart], console: Console) -> None:
    from rich.table import Table

    from stages.export.parity import LIMIT

    kinds = list(dict.fromkeys(one.kind for part in made for one in part.differences))
    table = Table(title=f"max|a − b| / max|b| against torch, at most {LIMIT:g}", title_justify="left")
    table.add_column("file")
    table.add_column("output")
    for kind in kinds:
        table.add_column(f"{kind} inputs", justify="right")
    for part in made:
        of_output: dict[str, dict[str, float]] = {}
        for one in part.differences:
            of_output.setdefault(one.output, {})[one.kind] = one.value
        for row, (output, values) in enumerate(of_output.items()):
            figures = (f"{values[kind]:.1e}" if kind in values else "–" for kind in kinds)
            table.add_row("" if row else part.file.name, output, *figures, end_section=row == len(of_output) - 1)
    console.print(table)
    for part in made:
        size = part.file.stat().st_size / 1e6
        console.print(f"{part.file}  {size:.1f} MB, and {part.manifest.name}", markup=False, soft_wrap=True)


@contextmanager
def _errors(complaints: Console) -> Generator[None]:
    """What the user can do something about is a sentence on stderr and an exit code."""
    from stages.export.graph import ExportError
    from stages.third_party.weights import WeightsError

    try:
        yield
    except WeightsError as error:
        _fail(str(error), EXIT_WEIGHTS, complaints)
    except ExportError as error:
        _fail(str(error), EXIT_FAILED, complaints)


def _fail(message: str, code: int, complaints: Console) -> NoReturn:
    from rich.markup import escape

    complaints.print(f"[bold red]partstream:[/] {escape(message)}")
    raise typer.Exit(code)
