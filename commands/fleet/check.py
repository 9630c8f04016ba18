"""`partstream fleet check`: what would keep a fleet's coordinator, or its engines on a node, from starting."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

from commands.config import checks
from commands.fleet import check_coordinator
from fleet.cluster import token_file
from fleet.settings import FleetConfig
from stream.config import Config
from stream.messaging.curve.keys import KeyFileError, client_keys
from stream.messaging.publisher import Publisher
from stream.settings.config_error import ConfigError
from telemetry.observer import Observer


def problems(config: FleetConfig, node: str, *, is_head: bool) -> Iterator[str]:
    """Yield what is wrong on this machine, the node `node`, each with its setting. Paths are meant from here."""
    if is_head:
        yield from asyncio.run(check_coordinator.problems(config.coordinator))
    yield from _cluster(config, is_head=is_head)
    yield from checks.addresses(config.cameras)
    yield from checks.backgrounds(config.cameras)
    for engine, settings in config.engines_of(node).items():
        for problem in _of_engine(Config.model_validate(settings)):
            yield f"engine {engine}: {problem}"
    try:
        membership = config.membership_of(node)
        client_keys(membership.get("server_key"), membership.get("key_file"))
    except KeyFileError as error:
        yield f"membership.server_key, membership.key_file: {error}"


def _cluster(config: FleetConfig, *, is_head: bool) -> Iterator[str]:
    folder, token = config.cluster.state_directory, config.cluster.token_file
    if (problem := check_coordinator.no_files_in(folder)) is not None:
        yield f"cluster.state_directory: {problem}"
    if is_head and not token.exists():  # `up` creates it
        if (problem := check_coordinator.no_files_in(token.parent)) is not None:
            yield f"cluster.token_file: {problem}"
        return
    try:
        token_file.check(token)
    except ConfigError as error:
        yield f"cluster.token_file: {error}"


def _of_engine(config: Config) -> Iterator[str]:
    found = list(checks.problems(config))
    yield from found
    for check_part in (_publish, _http) if not found else (_publish,):
        try:
            asyncio.run(check_part(config))
        except ConfigError as error:
            yield str(error)


async def _publish(config: Config) -> None:
    """Start an engine's publisher for a moment, with its keys. Raises `ConfigError`."""
    settings = config.publish
    addresses = {name: _address(getattr(settings, name)) for name in ("endpoint", "replay")}
    publisher = Publisher(settings.model_copy(update=addresses), secrets.token_hex(16), Observer())
    await publisher.start()
    await publisher.stop()


async def _http(config: Config) -> None:
    """Start an engine's HTTP server for a moment. Raises `ConfigError`."""
    if config.http.bind is not None:
        server = check_coordinator.http_server(config.http)
        await server.start()
        await server.stop()


def _address(endpoint: str) -> str:
    """Return an address to bind instead: an engine that runs has that of a file, which would be taken from it."""
    return check_coordinator.unless_in_use(endpoint) if endpoint.startswith("tcp:") else "tcp://127.0.0.1:0"
