"""`partstream fleet proxy`: all cameras of a fleet on one endpoint."""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import lines
from commands.ending import EXIT_USAGE, errors, exiting, fail
from commands.options import CamerasOption
from commands.until_signal import until_signal

if TYPE_CHECKING:
    from fleet.proxy import Proxy

logger = logging.getLogger(__name__)

EPILOG = lines(
    "`partstream fleet proxy fleet://10.0.0.2:5571`",
    "`partstream fleet proxy fleet://10.0.0.2:5571 --camera door --kind results --kind events`",
)
SILENT_AFTER_S = 3.0
"""A directory sends the placements of all cameras at once."""
ProxiedKind = StrEnum("ProxiedKind", "results events status stats alerts clips directory")


def proxy_command(
    directory: Annotated[
        str, typer.Argument(metavar="DIRECTORY", help="The fleet's directory: fleet://HOST:PORT.")
    ] = "fleet://127.0.0.1:5571",
    bind: Annotated[
        str, typer.Option(metavar="ENDPOINT", help="Where clients subscribe: tcp://ADDRESS:PORT. Port 0: any free one.")
    ] = "tcp://127.0.0.1:5573",
    camera: CamerasOption = None,
    kind: Annotated[
        list[ProxiedKind] | None, typer.Option(metavar="KIND", help=f"Only {', '.join(ProxiedKind)}; can be repeated.")
    ] = None,
    server_key: Annotated[
        str | None,
        typer.Option(metavar="KEY|FILE", envvar="PARTSTREAM_SERVER_KEY", help="CURVE: the directory's public key."),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", envvar="PARTSTREAM_KEY_FILE", help="CURVE: the proxy's secret key as a reader."),
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
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Serve /metrics and /healthz.")] = None,
    json_logs: Annotated[bool, typer.Option("--json", help="Log as JSON lines.")] = False,
) -> None:
    """Publish all cameras of a fleet on one endpoint, until it is stopped.

    For clients that do not follow the directory: topics and messages are those of the engines, and no camera goes back
    to an earlier placement. Several proxies can serve one fleet.
    """
    from telemetry import logs

    logs.configure(json=json_logs)
    with errors():
        from fleet.proxy import Proxy
        from stream.settings.engine import PublishConfig
        from stream.settings.network import bindable
        from stream.subscriber import KINDS, Kind, directory_at, selected

        if (curve_secret_key_file is None) != (curve_allowed_keys is None):
            fail("--curve-secret-key-file and --curve-allowed-keys go together: give both, or neither", EXIT_USAGE)
        with exiting({ValueError: EXIT_USAGE}):
            connection, cameras = directory_at(directory, server_key, key_file), selected(camera or None)
        try:
            bindable(bind)
        except ValueError as error:
            fail(f"--bind: {error}", EXIT_USAGE)
        keys = {"curve_secret_key_file": curve_secret_key_file, "curve_allowed_keys": curve_allowed_keys}
        serving = {"endpoint": bind, "high_water_mark": high_water_mark, "allow_plaintext": allow_plaintext} | keys
        kinds: tuple[Kind, ...] = tuple(one for one in KINDS if not kind or ProxiedKind(one) in kind)
        proxy = Proxy(connection, PublishConfig.model_validate(serving), kinds, cameras, metrics)
        raise typer.Exit(until_signal(_serve(proxy, directory)))


async def _serve(proxy: Proxy, directory: str) -> int:
    await proxy.start()
    reminder = asyncio.create_task(_remind(proxy, directory), name="reminder")
    try:
        logger.info("%s is published at %s", directory, proxy.endpoint)
        await proxy.run()
    finally:
        reminder.cancel()
        await proxy.stop()
    return 0


async def _remind(proxy: Proxy, directory: str) -> None:
    """Log what may be wrong if the directory names no camera."""
    from commands.console.silence import silence

    try:
        await asyncio.wait_for(proxy.heard.wait(), SILENT_AFTER_S)
    except TimeoutError:
        logger.warning("%s", await silence(directory))
