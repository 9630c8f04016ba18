"""Options and arguments that several commands have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from commands.ending import EXIT_USAGE, fail
from stream.messaging.client_endpoints import parse_endpoint

LOCAL, LOCAL_REPLAY = "tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556"
"""Where an engine publishes, and answers replay requests, by default."""

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML file; `partstream config new` writes one.")
]
ProfileOption = Annotated[str, typer.Option(metavar="NAME|PATH", help="edge, edge-open or a checkpoint.")]
DeviceOption = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda:N.")]
ConfiguredProfile = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="NAME|PATH", help="edge, edge-open, kinetics-tps or a checkpoint.", show_default="edge"
    ),
]
ConfiguredDevice = Annotated[
    str | None, typer.Option("--device", metavar="DEVICE", help="auto, cpu or cuda:N.", show_default="auto")
]
"""Like the option before, it overrides the configuration only if it is given."""
DetectorSizeOption = Annotated[
    str | None,
    typer.Option(
        "--detector-size",
        metavar="WxH",
        help="Size of the detector's input, for example 768x576.",
        show_default="the model's choice",
    ),
]
Endpoint = Annotated[
    str,
    typer.Argument(
        metavar="ENDPOINT",
        help="The engine's results endpoint: tcp://HOST:PORT or HOST:PORT; or a fleet's directory: fleet://HOST:PORT.",
    ),
]
CamerasOption = Annotated[
    list[str] | None, typer.Option("--camera", metavar="ID", help="Only this camera; can be repeated.")
]
JsonFileOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the result as one JSON object.")
]
ServerKeyOption = Annotated[
    str | None, typer.Option(metavar="KEY|FILE", envvar="PARTSTREAM_SERVER_KEY", help="CURVE: the engine's public key.")
]
KeyFileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", envvar="PARTSTREAM_KEY_FILE", help="CURVE: your own secret key.")
]


def parse_detector_size(text: str | None) -> tuple[int, int] | None:
    """Return (width, height) of `WxH`, or None for None. Raises `typer.BadParameter`."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not WIDTHxHEIGHT, for example 768x576", param_hint="--detector-size")
    return int(found[1]), int(found[2])


def endpoint_to_connect_to(text: str, elsewhere: str = "") -> str:
    """Return the ZeroMQ endpoint for `tcp://HOST:PORT`, `HOST:PORT` or `ipc://PATH`, or a `fleet://` address as it is.

    Anything else ends the command with code 2; `elsewhere` is added to the error: what else may have been meant.
    """
    try:
        return text if text.startswith("fleet://") else parse_endpoint(text)
    except ValueError as error:
        fail(f"{error}; {elsewhere}" if elsewhere else str(error), EXIT_USAGE)
