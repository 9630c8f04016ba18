"""What would keep an engine from writing its files, or its sockets from starting, on this machine.

Writes nothing. Sockets are started for a moment.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stream import output_file
from stream.cameras.state_file import CameraStateFile
from stream.config import Config, with_cameras
from stream.http.server.app import HttpServer
from stream.messaging.publisher import Publisher
from stream.settings.config_error import ConfigError
from stream.settings.network import HttpConfig
from telemetry.observer import Observer


def unwritable(config: Config) -> Iterator[str]:
    """Yield which folders and files cannot be written, each with its setting."""
    folders = {
        "recording.directory": config.recording.directory,
        "incidents.directory": config.incidents.directory,
        "verdicts.directory": config.verdicts.directory,
        "profiling_directory": config.profiling_directory,
    }
    for setting, folder in folders.items():
        if folder is not None and (problem := no_files_in(folder)) is not None:
            yield f"{setting}: {problem}"
    for setting in ("results", "state_file", "alerts_file"):
        file: Path | None = getattr(config, setting)
        if file is None:
            continue
        if (problem := no_files_in(file.parent)) is not None:
            yield f"{setting}: {problem}"
            continue
        try:
            output_file.check_regular(file)
        except OSError as error:
            yield f"{setting}: {file} can't be written: {error.strerror}"


def with_kept_cameras(config: Config) -> Config:
    """Return the configuration with the cameras of its state file, if there is one. Raises `ConfigError`."""
    if config.state_file is None or not config.state_file.is_file():
        return config
    kept = CameraStateFile(config.state_file, config.cameras).load()
    return with_cameras(config, kept, f"state_file: {config.state_file}")


def no_files_in(folder: Path) -> str | None:
    """Return why no file can be created in a folder, which need not exist, as a sentence without its end."""
    try:
        nearest = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    except OSError as error:  # for example because the name is too long
        return f"no file can be created in {folder}: {error.strerror}"
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        return f"no file can be created in {nearest}: {error.strerror}"
    return None


def unstartable(config: Config, *, http: bool = True) -> Iterator[str]:
    """Start the sockets for a moment, and yield why they cannot be. `http`: also the server's, not only ZeroMQ's.

    Ports that are in use are taken for those of an engine that runs, so that others are used.
    """
    for check_part in (_publish, _http) if http else (_publish,):
        try:
            asyncio.run(check_part(config))
        except ConfigError as error:
            yield str(error)


def unless_in_use(address: str) -> str:
    """Return an address to bind: this one or, if it is in use, any free port of its host."""
    place, _, port = address.rpartition(":")
    host = place.partition("://")[2] if "://" in place else place
    host = "0.0.0.0" if host == "*" else host.removeprefix("[").removesuffix("]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, int(port)))
    except OSError as error:
        return f"{place}:0" if error.errno == errno.EADDRINUSE else address
    except (ValueError, OverflowError):  # who binds it says what is wrong
        return address
    return address


async def serve(config: HttpConfig) -> None:
    """Start an HTTP server for a moment, on another port if its own is in use. Raises `ConfigError`."""
    if config.bind is None:
        return
    server = HttpServer(
        config.model_copy(update={"bind": unless_in_use(config.bind)}),
        metrics=lambda accept: (b"", ""),
        ready=lambda: (True, []),
        alive=lambda: (True, []),
        pages=(),
    )
    await server.start()
    await server.stop()


async def _publish(config: Config) -> None:
    """Start an engine's publisher for a moment, with its keys. Raises `ConfigError`."""
    settings = config.publish
    addresses = {name: instead_of(getattr(settings, name)) for name in ("endpoint", "replay")}
    publisher = Publisher(settings.model_copy(update=addresses), secrets.token_hex(16), Observer())
    await publisher.start()
    await publisher.stop()


async def _http(config: Config) -> None:
    """Start an engine's HTTP server for a moment. Raises `ConfigError`."""
    await serve(config.http)


def instead_of(endpoint: str) -> str:
    """Return a ZeroMQ address to bind instead: an engine that runs has that of a file, which would be taken from it."""
    return unless_in_use(endpoint) if endpoint.startswith("tcp:") else "tcp://127.0.0.1:0"
