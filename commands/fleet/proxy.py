"""`partstream fleet proxy`: all cameras of a fleet on one endpoint."""

from __future__ import annotations

import asyncio
import logging
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import lines
from commands.ending import EXIT_USAGE, errors, fail
from commands.until_signal import until_signal

if TYPE_CHECKING:
    from fleet.proxy.proxy import Proxy
    from stream.http.server.status import StatusServer
    from stream.settings.engine import PublishConfig
    from stream.subscription.engine_subscription import Connection

logger = logging.getLogger(__name__)

EPILOG = lines(
    "`partstream fleet proxy fleet://10.0.0.2:5571`",
    "`partstream fleet proxy fleet://10.0.0.2:5571 --camera door --kind results --kind events`",
)
DIRECTORY, BIND = "fleet://127.0.0.1:5571", "tcp://127.0.0.1:5573"
HIGHEST_PORT = 65_535
SILENT_AFTER_S = 3.0
"""A directory sends the places of all cameras at once."""


class ProxiedKind(StrEnum):
    """A kind of messages."""

    results = "results"
    events = "events"
    status = "status"
    stats = "stats"
    alerts = "alerts"
    clips = "clips"
    directory = "directory"


def proxy_command(
    directory: Annotated[
        str, typer.Argument(metavar="DIRECTORY", help="The fleet's directory: fleet://HOST:PORT.")
    ] = DIRECTORY,
    bind: Annotated[
        str, typer.Option(metavar="ENDPOINT", help="Where clients subscribe: tcp://ADDRESS:PORT. Port 0: any free one.")
    ] = BIND,
    camera: Annotated[
        list[str] | None,
        typer.Option("--camera", metavar="ID", help="Only this camera; can be repeated.", show_default="all"),
    ] = None,
    kind: Annotated[
        list[ProxiedKind] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Only results, events, status, stats, alerts, clips or directory; can be repeated.",
            show_default="all",
        ),
    ] = None,
    server_key: Annotated[
        str | None,
        typer.Option(metavar="KEY|FILE", envvar="PARTSTREAM_SERVER_KEY", help="CURVE: the directory's public key."),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", envvar="PARTSTREAM_KEY_FILE", help="CURVE: the proxy's secret key as a reader of the fleet."
        ),
    ] = None,
    curve_secret_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CURVE: the proxy's secret key for its own clients.")
    ] = None,
    curve_allowed_keys: Annotated[
        Path | None, typer.Option(metavar="PATH", help="CURVE: the public keys of its clients, a folder or a file.")
    ] = None,
    allow_plaintext: Annotated[
        bool, typer.Option("--allow-plaintext", help="Serve other hosts without CURVE: anyone can read all results.")
    ] = False,
    high_water_mark: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Messages queued for each slow client.")
    ] = 4096,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve /metrics and /healthz.", show_default="none")
    ] = None,
    json_logs: Annotated[bool, typer.Option("--json", help="Log as JSON lines.")] = False,
) -> None:
    """Publish all cameras of a fleet on one endpoint, until it is stopped.

    For clients that do not follow the directory: topics and messages are those of the engines, and no camera goes back
    to an earlier placement. Several proxies can serve one fleet.
    """
    from telemetry import logs

    logs.configure(json=json_logs)
    if (curve_secret_key_file is None) != (curve_allowed_keys is None):
        fail("--curve-secret-key-file and --curve-allowed-keys go together: give both, or neither", EXIT_USAGE)
    if metrics is not None and not _is_address(metrics):
        fail(f"--metrics: {metrics!r} is not HOST:PORT, for example 127.0.0.1:9096", EXIT_USAGE)
    with errors():
        from stream.settings.engine import PublishConfig
        from stream.settings.network import bindable

        try:
            bindable(bind)
        except ValueError as error:
            fail(f"--bind: {error}", EXIT_USAGE)
        connection = _connection(directory, server_key, key_file)
        serving = PublishConfig.model_validate(
            {
                "endpoint": bind,
                "high_water_mark": high_water_mark,
                "curve_secret_key_file": curve_secret_key_file,
                "curve_allowed_keys": curve_allowed_keys,
                "allow_plaintext": allow_plaintext,
            }
        )
        proxy = _proxy(connection, serving, kind, camera)
        raise typer.Exit(until_signal(_serve(proxy, directory, _status(proxy, metrics))))


async def _serve(proxy: Proxy, directory: str, status: StatusServer | None) -> int:
    await proxy.start()
    reminder = asyncio.create_task(_remind(proxy, directory), name="reminder")
    try:
        if status is not None:
            await status.start()
            logger.info("metrics at %s/metrics", status.address)
        logger.info("%s is published at %s", directory, proxy.endpoint)
        await proxy.run()
    finally:
        reminder.cancel()
        if status is not None:
            await status.stop()
        await proxy.stop()
    return 0


async def _remind(proxy: Proxy, directory: str) -> None:
    """Log what may be wrong if the directory tells of no camera."""
    from commands.console.silence import silence

    try:
        await asyncio.wait_for(proxy.heard.wait(), SILENT_AFTER_S)
    except TimeoutError:
        logger.warning("%s", await silence(directory))


def _connection(directory: str, server_key: str | None, key_file: Path | None) -> Connection:
    from stream.messaging.client_endpoints import parse_endpoint
    from stream.messaging.curve.keys import client_keys
    from stream.subscriber import FLEET
    from stream.subscription.engine_subscription import Connection
    from telemetry.redaction import redact

    try:
        if not directory.startswith(FLEET):
            raise ValueError
        endpoint = parse_endpoint(directory.removeprefix(FLEET))
    except ValueError:
        fail(f"{redact(directory)!r} is not the address of a fleet's directory: use fleet://HOST:PORT", EXIT_USAGE)
    return Connection(endpoint, keys=client_keys(server_key, key_file))


def _proxy(
    directory: Connection, serving: PublishConfig, kinds: list[ProxiedKind] | None, cameras: list[str] | None
) -> Proxy:
    from fleet.proxy.proxy import Proxy
    from stream.settings.values import CAMERA_ID, camera_id_error
    from stream.subscriber import KINDS, Kind

    for name in cameras or ():
        if not CAMERA_ID.fullmatch(name):
            fail(f"--camera: {camera_id_error(name)}", EXIT_USAGE)
    wanted: tuple[Kind, ...] = tuple(one for one in KINDS if not kinds or ProxiedKind(one) in kinds)
    return Proxy(directory, serving, wanted, sorted(set(cameras)) if cameras else None)


def _status(proxy: Proxy, address: str | None) -> StatusServer | None:
    if address is None:
        return None
    from fleet.proxy.metrics import METRICS, read
    from stream.http.server.connections import Connections
    from stream.http.server.status import StatusServer

    connections = Connections(max_streams=0)
    return StatusServer(
        address, connections, lambda: read(proxy, connections.refused), lambda: [], METRICS, "--metrics"
    )


def _is_address(text: str) -> bool:
    found = re.fullmatch(r".+:(\d{1,5})", text)
    return found is not None and int(found[1]) <= HIGHEST_PORT
