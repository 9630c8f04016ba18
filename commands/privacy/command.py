"""`partstream privacy`: make backgrounds for cameras in skeleton mode."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Annotated

import typer

from commands.application import Application, lines
from commands.ending import EXIT_FAILED, EXIT_USAGE, fail

privacy_app = Application(help="Make backgrounds for cameras in skeleton mode.", no_args_is_help=True)

SECONDS = 60.0
QUALITY = 90


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
    from commands.privacy.median_picture import median_picture
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
            picture = median_picture(config, make_opener, seconds)
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
