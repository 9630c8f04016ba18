"""The configuration that a command runs with: a file, the environment, and what the command line says over both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.ending import EXIT_USAGE, fail

if TYPE_CHECKING:
    from stream.config import Config

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...",
        help="rtsp://…, a file, device:/dev/video0, whip, whep+https://… or pattern:, as they are (named cam0, cam1 …) "
        "or as id=SOURCE.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML; `config schema` says what it may hold.")
]


def load_config(path: Path | None, overrides: dict[str, Any], sources: list[str], pace: str | None) -> Config:
    """As `configuration`; ends the command, code 2, if it is wrong."""
    from stream.config import ConfigError

    try:
        return configuration(path, overrides, sources, pace)
    except ConfigError as error:
        fail(str(error), EXIT_USAGE)


def configuration(path: Path | None, overrides: dict[str, Any], sources: list[str], pace: str | None) -> Config:
    """The configuration with these sources as further cameras, all at one pace if it is given. Raises `ConfigError`."""
    from stream.config import load

    settings = load(path, overrides)
    if not sources and pace is None:
        return settings
    cameras = [camera.model_dump() | {"source": camera.source} for camera in settings.cameras]
    cameras += [parse_source(text, len(cameras) + index) for index, text in enumerate(sources)]
    if pace is not None:
        cameras = [camera | {"pace": pace} for camera in cameras]
    return load(path, overrides | {"cameras": cameras})


def parse_source(text: str, index: int) -> dict[str, Any]:
    """`id=SOURCE`, or a bare source, which is named cam0, cam1 … by its place."""
    from stream.settings.section import CAMERA_ID
    from stream.settings.source_address import SourceAddress

    name, equals, source = text.partition("=")
    if equals and CAMERA_ID.fullmatch(name) and source:
        return {"id": name, "source": SourceAddress(source)}
    return {"id": f"cam{index}", "source": SourceAddress(text)}
