"""`partstream fleet camera`: the cameras of a fleet."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.application import Application, lines
from commands.configuration import parse_source
from commands.ending import EXIT_FAILED, EXIT_USAGE, console, fail, plain, print_error, say
from commands.fleet.client import DEFAULT_URL, ControllerClient, ControllerError, JsonOption, TokenOption, UrlOption

camera_app = Application(help="Add, remove and list the cameras of a fleet.", no_args_is_help=True)
SOURCES_HELP = (
    "rtsp://…, rtsps://…, whip or pattern:. A file, /dev/video0 and whep+https://… need "
    "controller.http.camera_schemes, or have to be written into the fleet's configuration."
)
MOST_REASONS = 100
"""Cameras whose problem is shown; further ones are counted."""
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID", help="Cameras.")]


@camera_app.command("list")
def list_command(url: UrlOption = DEFAULT_URL, token: TokenOption = None, as_json: JsonOption = False) -> None:
    """List the cameras, and which engine has each."""
    cameras: list[dict[str, Any]] = ControllerClient(url, token).cameras()
    if as_json:
        typer.echo(json.dumps(cameras))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("camera", "state", "engine", "node"):
        table.add_column(title, overflow="fold")
    table.add_column("results", justify="right")
    for camera in cameras:
        place, status = camera["place"], camera["status"]
        rate = f"{status['fps_out']:.1f}/s" if place["engine"] else ""
        state = "failed" if status["reason"] else status["state"]
        table.add_row(*(plain(text or "") for text in (camera["id"], state, place["engine"], place["node"], rate)))
    if cameras:
        console.print(table)
    else:
        say("there are no cameras: `partstream fleet camera add door=rtsp://…` adds one")
    say_reasons(cameras)


def say_reasons(cameras: list[dict[str, Any]]) -> None:
    """Say why cameras have failed or have no engine."""
    why: list[str] = []
    for camera in cameras:
        name, status = camera["id"], camera["status"]
        if status["reason"]:
            why.append(f"{name} has failed on {camera['place']['engine']} ({status['reason']}): {status['message']}")
        elif status["state"] == "unplaced":
            why.append(f"{name} has no engine: {status['message']}")
    for sentence in why[:MOST_REASONS]:
        say(sentence)
    if len(why) > MOST_REASONS:
        say(f"and {len(why) - MOST_REASONS} more: `partstream fleet camera list --json`")


@camera_app.command("add", epilog=lines("`partstream fleet camera add door=rtsp://… yard=rtsp://…`"))
def add_command(
    sources: Annotated[list[str], typer.Argument(metavar="ID=SOURCE", help=SOURCES_HELP)],
    pin: Annotated[
        str | None, typer.Option(metavar="TAG", help="Read them only on Ray nodes with this resource or label.")
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
    settings = {name: value for name, value in {"pin": pin, "max_fps": max_fps}.items() if value is not None}
    cameras = dict(map(_parsed, sources))
    client = ControllerClient(url, token)
    for name, source in cameras.items():
        status, _ = client.ask("PUT", "cameras", name, body={"source": source, **settings})
        say(f"{name} is {'added' if status == HTTPStatus.CREATED else 'changed'}")


@camera_app.command("remove")
def remove_command(cameras: IdsArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Remove cameras. The exit code is 1 if one of them does not exist; the others are removed."""
    client = ControllerClient(url, token)
    missing = False
    for name in cameras:
        try:
            client.ask("DELETE", "cameras", name, query="?must_exist=true")
        except ControllerError as error:
            if error.kind != "no-such-camera":
                raise
            missing = True
            print_error(f"there is no camera {name}: `partstream fleet camera list` lists them")
        else:
            say(f"{name} is removed")
    if missing:
        raise typer.Exit(EXIT_FAILED)


def _parsed(text: str) -> tuple[str, str]:
    """Return id and source of `ID=SOURCE`."""
    camera = parse_source(text, 0)
    if not text.startswith(f"{camera['id']}="):
        fail(f"a camera needs an id: write door={camera['source']}", EXIT_USAGE)
    return camera["id"], camera["source"].reveal()
