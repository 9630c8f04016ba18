"""`partstream fleet camera`: the cameras of a fleet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from commands.application import Application, lines
from commands.configuration import parse_source
from commands.console.amounts import reduced_words
from commands.ending import EXIT_FAILED, EXIT_USAGE, console, fail, plain_console, print_error, printable
from commands.fleet.client import DEFAULT_URL, JsonOption, TokenOption, UrlOption, ask
from commands.fleet.control import failure_text

if TYPE_CHECKING:
    from commands.fleet.client import ControllerClient

camera_app = Application(help="Add, remove and list the cameras of a fleet.", no_args_is_help=True)
SOURCES_HELP = (
    "rtsp://…, rtsps://…, whip or pattern:. A file, /dev/video0 and whep+https://… need "
    "controller.http.camera_schemes, or have to be written into the fleet's configuration."
)
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID", help="Cameras.")]


@camera_app.command("list")
def list_command(url: UrlOption = DEFAULT_URL, token: TokenOption = None, as_json: JsonOption = False) -> None:
    """List the cameras, and which engine has each."""
    cameras: list[dict[str, Any]] = ask(url, token, lambda client: client.get("cameras"))["cameras"]
    if as_json:
        typer.echo(json.dumps(cameras))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("camera", "state", "engine", "node"):
        table.add_column(title, overflow="fold")
    table.add_column("results", justify="right")
    eased: dict[str, tuple[str, int, int]] = {}
    for camera in cameras:
        place, status = camera["place"], camera["status"]
        if level := status["ease_level"]:
            eased[place["engine"]] = place["node"], level, status["max_ease_level"]
        rate = f"{status['fps_out']:.1f}/s" if place["engine"] else ""
        state = "failed" if status["reason"] else status["state"]
        table.add_row(camera["id"], state, place["engine"] or "", place["node"] or "", rate)
    console.print(table)
    for engine, (node, level, max_level) in sorted(eased.items()):
        console.print(printable(f"{engine}: {reduced_words(level, max_level, node)}"), markup=False)
    for camera in cameras:
        if camera["place"]["state"] == "unplaced":
            console.print(printable(f"{camera['id']} has no engine: {camera['status']['message']}"), markup=False)
        if reason := camera["status"]["reason"]:
            told = failure_text(camera["id"], camera["place"]["engine"], reason, camera["status"]["problem"])
            console.print(printable(told), markup=False)


@camera_app.command("add", epilog=lines("`partstream fleet camera add door=rtsp://… yard=rtsp://…`"))
def add_command(
    sources: Annotated[list[str], typer.Argument(metavar="ID=SOURCE", help=SOURCES_HELP)],
    pin: Annotated[
        str | None, typer.Option(metavar="TAG", help="A resource or label of the Ray node that alone can read them.")
    ] = None,
    max_fps: Annotated[
        float | None,
        typer.Option(metavar="N", help="Analyse at most N frames a second of each.", show_default="no limit"),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Add cameras, or replace the settings of existing ones.

    Other settings: `PUT /api/v1/cameras/ID` (docs/control-api.md).
    """
    own: dict[str, Any] = {"pin": pin, "max_fps": max_fps}
    settings = {name: value for name, value in own.items() if value is not None}
    cameras = {name: {"source": source} | settings for name, source in map(_parsed, sources)}

    async def add(client: ControllerClient) -> None:
        for name, camera in cameras.items():
            new, _ = await client.put("cameras", name, body=camera)
            plain_console.print(f"{name} is {'added' if new else 'changed'}", markup=False)

    ask(url, token, add)


@camera_app.command("remove")
def remove_command(cameras: IdsArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Remove cameras. The exit code is 1 if there is no camera of one of the ids; the others are removed."""
    from commands.fleet.client import ControllerError

    async def remove(client: ControllerClient) -> list[str]:
        missing: list[str] = []
        for name in cameras:
            try:
                await client.ask("DELETE", "cameras", name, query={"must_exist": "true"})
            except ControllerError as error:
                if error.kind != "no-such-camera":
                    raise
                missing.append(name)
                print_error(f"there is no camera {name}: `partstream fleet camera list` shows those that there are")
            else:
                plain_console.print(printable(f"{name} is removed"), markup=False)
        return missing

    if ask(url, token, remove):
        raise typer.Exit(EXIT_FAILED)


def _parsed(text: str) -> tuple[str, str]:
    from stream.settings.config_error import ConfigError

    try:
        camera = parse_source(text, 0)
    except ConfigError as error:
        fail(str(error), EXIT_USAGE)
    if not text.startswith(f"{camera['id']}="):
        fail(f"a camera needs an id: write door={camera['source']}", EXIT_USAGE)
    return camera["id"], camera["source"].reveal()
