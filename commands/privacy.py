"""`partstream privacy`: make backgrounds for cameras in skeleton mode."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import Application, lines
from commands.ending import EXIT_FAILED, EXIT_USAGE, fail

if TYPE_CHECKING:
    import av
    import numpy as np

    from stream.settings.engine import CameraConfig
    from stream.sources.open_transport import MakeOpener

privacy_app = Application(help="Make backgrounds for cameras in skeleton mode.", no_args_is_help=True)

SECONDS = 60.0
QUALITY = 90
PICTURES = 41
"""Pictures of which the median is taken; 41 of 1280x720 take 113 MB."""
WIDEST = 1280
"""Longest side, pixels: people are drawn no larger."""


@privacy_app.command(
    "background", epilog=lines("`partstream privacy background rtsp://10.0.0.7/stream --out hall.jpg --seconds 300`")
)
def background_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The camera's address, or a file.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The JPEG to write.")],
    seconds: Annotated[
        float, typer.Option(min=1.0, max=86_400.0, help="Seconds over which pictures are taken.")
    ] = SECONDS,
) -> None:
    """Write the median of a camera's pictures, which does not show people who move, and print the settings that use it.

    Look at the picture before you use it: people who hardly moved are still in it.
    """
    from PIL import Image
    from pydantic import ValidationError

    from commands.cameras.opening import openers
    from stream.settings.engine import CameraConfig
    from stream.settings.network import WebRtcConfig
    from stream.sources.errors import SourceError
    from stream.sources.transport import StoppedError

    try:
        config = CameraConfig.model_validate({"id": "background", "source": source})
    except ValidationError as error:
        fail(f"{error.errors()[0]['msg']}", EXIT_USAGE)
    if config.source.kind == "whip":
        fail("a whip camera publishes to a running engine: give a recording of it", EXIT_USAGE)
    try:
        with openers(WebRtcConfig.model_validate({})) as make_opener:
            picture = _median_picture(config, make_opener, seconds)
    except SourceError as error:
        fail(str(error), EXIT_FAILED)
    except StoppedError:
        fail(f"{config.source} did not answer in time. Check the address and that the camera is on", EXIT_FAILED)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=QUALITY)
    try:
        # Private until it has been looked at: people who hardly moved are still in it.
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content.getvalue())
    except FileExistsError:
        fail(f"{out} exists and may have been approved: choose another name", EXIT_FAILED)
    except OSError as error:
        fail(f"{out} can't be written: {error.strerror}", EXIT_FAILED)
    typer.echo(f"Look at {out}. If all of it may be shown, add these lines to the camera's settings:", err=True)
    typer.echo("background:")
    typer.echo(f"  file: {out.resolve()}")
    typer.echo(f"  sha256: {hashlib.sha256(content.getvalue()).hexdigest()}")
    typer.echo("  approved_by: YOUR NAME")


def _median_picture(config: CameraConfig, make_opener: MakeOpener, seconds: float) -> np.ndarray:
    """Return the median of pictures over `seconds`, or of a file's: uint8 [height, width, 3], RGB.

    Raises `SourceError`, and `StoppedError` if the camera does not answer.
    """
    import numpy as np

    from commands.cameras.opening import PICTURE_WITHIN_S, opened
    from stream.sources.decoding.decoder import Decoder
    from stream.sources.decoding.picture_limit import PictureLimit
    from stream.sources.errors import SourceError
    from stream.sources.transport import StoppedError

    hurried = config.model_copy(update={"start_timeout_s": PICTURE_WITHIN_S, "pace": "fast"})
    kept: list[np.ndarray] = []
    with opened(hurried, make_opener, PICTURE_WITHIN_S + seconds + 1.0) as transport:
        decoder = Decoder(transport.codec, lambda reason: None, PictureLimit(config))
        ends = monotonic() + PICTURE_WITHIN_S
        first_us: int | None = None
        due_us = 0.0
        try:
            while monotonic() < ends and len(kept) < PICTURES:
                unit = transport.read()
                for picture in decoder.decode(unit) if unit is not None else []:
                    # Files are read faster than they play, so their own times count.
                    at_us = picture.pts_us if picture.pts_us is not None else round(monotonic() * 1e6)
                    if first_us is None:
                        first_us, ends = at_us, monotonic() + seconds + 1.0
                    if at_us - first_us >= due_us:
                        due_us += seconds * 1e6 / (PICTURES - 1)
                        kept.append(_small(picture.frame))
        except (SourceError, StoppedError) as error:
            if not kept or (isinstance(error, SourceError) and error.reason != "ended"):
                raise
        if not kept:
            raise transport.diagnosis.no_picture_in_time()
    same = [picture for picture in kept if picture.shape == kept[0].shape]
    return np.median(np.stack(same), axis=0, overwrite_input=True).astype(np.uint8)


def _small(frame: av.VideoFrame) -> np.ndarray:
    scale = min(1.0, WIDEST / max(frame.width, frame.height))
    return frame.to_ndarray(
        width=max(1, round(frame.width * scale)), height=max(1, round(frame.height * scale)), format="rgb24"
    )
