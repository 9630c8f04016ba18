"""`partstream fleet check`: what would keep a fleet's controller, or its engines on this machine, from starting."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

from commands.config import checks
from commands.config.this_machine import instead_of, no_files_in, serve
from fleet import store
from fleet.directory import Directory
from fleet.settings import ControllerConfig, FleetCamera, FleetConfig, naming_settings
from stream.settings.config_error import ConfigError


def problems(config: FleetConfig) -> Iterator[str]:
    """Yield what is wrong on this machine, each with its setting. Paths are meant from here."""
    if not config.model_fields_set:
        yield "the file is empty: list `cameras`, or write `cameras: []` if `fleet camera add` is to add all of them"
    yield from _controller(config.controller)
    yield from checks.addresses(config.cameras)
    yield from checks.backgrounds(camera for camera in config.cameras if camera.pin is None)
    for camera in config.cameras:
        if camera.enabled and camera.pin is None and (path := _path(camera)) is not None and not path.exists():
            yield (
                f"camera {camera.id}: source: there is no file {path} on this machine: correct the path, or set `pin` "
                "to a resource of the node that has it"
            )
    for problem in checks.problems(config.of_engine("engine-1")):
        yield f"engine: {problem}"


def _controller(config: ControllerConfig) -> Iterator[str]:
    try:
        store.check(config.store)
    except ConfigError as error:
        yield str(error)
    if not config.store.exists() and (problem := no_files_in(config.store.parent)) is not None:
        yield f"controller.store: {problem}"
    for check_part in (_directory, _http):
        try:
            asyncio.run(check_part(config))
        except ConfigError as error:
            yield str(error)


async def _directory(config: ControllerConfig) -> None:
    """Start the directory for a moment. Raises `ConfigError`."""
    addresses = {name: instead_of(getattr(config, name)) for name in ("directory", "replay")}
    directory = Directory(config.model_copy(update=addresses), secrets.token_hex(16))
    await directory.start()
    await directory.publisher.stop()


async def _http(config: ControllerConfig) -> None:
    """Start the HTTP server for a moment. Raises `ConfigError`."""
    with naming_settings():
        await serve(config.http)


def _path(camera: FleetCamera) -> Path | None:
    """Return the path of a camera that reads a file; None for others, also for what FFmpeg fetches."""
    address = camera.source.reveal()
    is_path = camera.source.kind == "file" and camera.source.scheme == "file" and not address.startswith("file:")
    return Path(address) if is_path else None
