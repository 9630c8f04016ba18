"""`partstream export`: write a checkpoint and its detector as ONNX files, each checked in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import lines
from commands.ending import EXIT_USAGE, fail, plain_console, say
from commands.options import ProfileOption

if TYPE_CHECKING:
    from stages.checkpoint import Checkpoint
    from stages.detection.movenet.movenet import MoveNet
    from stages.export.exporting import ExportedPart, SampleVideo
    from stages.export.graph import PartName

EPILOG = lines(
    "`partstream export --out onnx`", "Exit codes: 0 done, 1 failed (then no file is kept), 2 usage, 3 weights"
)

_SAMPLE_VIDEO = ("sports2d", "demo.mp4")
_PICTURES = 8
_EVERY = 3
"""Every third frame: 120 ms apart, about a step of the action model."""
_SIDE = 384


def export_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output directory, for PART.onnx and PART.json.")],
    profile: ProfileOption = "edge",
    parts: Annotated[
        str, typer.Option(metavar="PART,…", help="Any of detector, heads and step.")
    ] = "detector,heads,step",
    opset: Annotated[int, typer.Option(min=18, max=25, help="ONNX operator set.")] = 20,
    without_regions: Annotated[
        bool,
        typer.Option("--without-regions", help="Export heads that use keypoints only, even if regions were trained."),
    ] = False,
) -> None:
    """Write a model as ONNX files.

    The files are the detector, the heads and the action step, each with a description for other runtimes.
    """
    chosen = _parse_parts(parts)
    from stages.export.exporting import export
    from stages.export.onnx_file import check_installed
    from stages.profiles import load_checkpoint
    from training.run.learning.warm_start import from_keypoints_alone

    check_installed()
    checkpoint = load_checkpoint(profile)
    if without_regions:
        try:
            checkpoint = from_keypoints_alone(checkpoint)
        except ValueError as error:
            fail(f"{profile}: {error}", EXIT_USAGE)
    if _has_another_detector(checkpoint) and "detector" in chosen:
        fail(f"the detector of profile {checkpoint.profile} cannot be exported; use --parts heads,step", EXIT_USAGE)
    detector = _detector(checkpoint, needed="detector" in chosen)
    video = None if detector is None else _sample_video()
    with plain_console.status("exporting") as status:
        made = export(
            checkpoint,
            detector,
            out,
            chosen,
            opset,
            video,
            lambda part: status.update(f"exporting and checking: {part}"),
        )
    _show(made)
    if video is None and not _has_another_detector(checkpoint):
        say(
            "checked with random inputs only. Real ones need the detector's weights and footage: "
            f"partstream weights fetch movenet-multipose {_SAMPLE_VIDEO[0]}"
        )


def _parse_parts(text: str) -> list[PartName]:
    """Return the parts that are named, separated by commas. Raises `BadParameter`."""
    known: tuple[PartName, ...] = ("detector", "heads", "step")
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(known))
    if unknown or not names:
        problem = f"unknown: {', '.join(unknown)}; " if unknown else ""
        raise typer.BadParameter(f"{problem}give some of {', '.join(known)}, separated by commas", param_hint="--parts")
    return [name for name in known if name in names]


def _has_another_detector(checkpoint: Checkpoint) -> bool:
    """Return whether the checkpoint uses a detector that cannot be exported."""
    from stages.profiles import PAPER

    return checkpoint.profile == PAPER or checkpoint.detector is not None


def _detector(checkpoint: Checkpoint, *, needed: bool) -> MoveNet | None:
    """Return the detector, which also makes real inputs for the other parts; None if it was not fetched.

    Raises `WeightsError` if it is needed and missing.
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


def _sample_video() -> SampleVideo | None:
    """Return the first second of footage, as a camera would send it; None if it was not fetched."""
    import av
    import numpy as np

    from stages.detection.movenet.movenet import slot_format
    from stages.export.exporting import SampleVideo
    from stages.third_party import weights
    from stages.third_party.weights import WeightsError

    try:
        path = weights.locate(*_SAMPLE_VIDEO)
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
    return SampleVideo(np.stack(pictures), content, np.array(times, np.int64))


def _show(made: Sequence[ExportedPart]) -> None:
    from commands.console.tables import table, text
    from stages.export.exporting import LIMIT

    kinds = list(dict.fromkeys(one.kind for part in made for one in part.differences))
    title = f"max|a − b| / max|b| against torch, at most {LIMIT:g}"
    shown = table("file", "output", *(f"{kind} inputs" for kind in kinds), words=2, title=title)
    for part in made:
        of_output: dict[str, dict[str, float]] = {}
        for one in part.differences:
            of_output.setdefault(one.output, {})[one.kind] = one.value
        for row, (output, values) in enumerate(of_output.items()):
            figures = (f"{values[kind]:.1e}" if kind in values else "–" for kind in kinds)
            shown.add_row("" if row else text(part.file.name), output, *figures, end_section=row == len(of_output) - 1)
    plain_console.print(shown)
    for part in made:
        size = part.file.stat().st_size / 1e6
        say(f"{part.file}  {size:.1f} MB, and {part.manifest.name}")
