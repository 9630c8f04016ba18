"""`partstream config`: check, write and describe configurations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import Application, lines
from commands.configuration import configuration
from commands.console.amounts import counted
from commands.ending import EXIT_FAILED, EXIT_USAGE, console, error_console, print_error, printable

if TYPE_CHECKING:
    from commands.cameras.opening import Probe
    from stream.settings.engine import CameraConfig

config_app = Application(help="Write, check and describe configuration files.", no_args_is_help=True)


@config_app.command("new", epilog=lines("`partstream config new door=rtsp://… yard=rtsp://… > partstream.yaml`"))
def new_command(
    sources: Annotated[
        list[str], typer.Argument(metavar="[ID=]SOURCE", help="Cameras, as for `run`: rtsp://…, /dev/video0, a file …")
    ],
) -> None:
    """Write a configuration for these cameras.

    Opens each camera, and proposes a detector size and a frame rate. The file contains the sources as given, with
    their passwords: keep it readable by its owner only (`chmod 600 partstream.yaml`). It is also written if a camera
    could not be opened; the exit code is then 1.
    """
    from commands.config.new_file import new_file

    settings = configuration(None, {"cameras": []}, sources)
    found = _probe(settings.cameras)
    typer.echo(new_file(zip(settings.cameras, found)), nl=False)
    if any(probe.size is None for probe in found):
        raise typer.Exit(EXIT_FAILED)


@config_app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The YAML file.")],
    show: Annotated[
        bool, typer.Option("--print", help="Print the effective configuration as JSON, without secrets.")
    ] = False,
) -> None:
    """Check a configuration on the machine of the engine.

    Also checks addresses, the files and folders that it names, the device and the memory, and starts the sockets for a
    moment. Environment variables apply as for `run`; start it in the same folder and as the same user. Nothing is
    changed, and an engine may run meanwhile. Exit code 2: something is wrong.
    """
    from commands.config.checks import problems
    from telemetry import logs

    logs.configure(level="error")
    settings = configuration(file, {}, [])
    if found := problems(settings):
        for problem in found:
            print_error(problem)
        raise typer.Exit(EXIT_USAGE)
    cameras = counted(len(settings.cameras), "camera")
    error_console.print(printable(f"{file}: valid ({cameras})"), markup=False)
    if show:
        console.print_json(settings.model_dump_json())


@config_app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of the configuration."""
    from stream.config import Config

    console.print_json(data=Config.model_json_schema())


def _probe(cameras: list[CameraConfig]) -> list[Probe]:
    """Open all cameras at the same time, with progress on stderr."""
    from commands.cameras.opening import RATE_WITHIN_S, openers, probe
    from stream.settings.network import WebRtcConfig
    from telemetry import logs

    logs.configure(level="error")  # what a camera answers is in its entry
    with openers(WebRtcConfig.model_validate({})) as make_opener, ThreadPoolExecutor(len(cameras)) as threads:
        found: list[Probe] = []
        look = partial(probe, make_opener=make_opener, rate_within_s=RATE_WITHIN_S)
        for config, result in zip(cameras, threads.map(look, cameras)):
            seen = f"{result.size[0]}x{result.size[1]}" if result.size is not None else result.error
            error_console.print(f"{config.id}: {seen}", markup=False)
            found.append(result)
        return found
