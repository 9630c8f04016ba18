"""`partstream fleet check`: what would keep a fleet's coordinator, or its engines on a node, from starting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from commands.config import checks
from commands.config.this_machine import no_files_in
from commands.fleet import check_coordinator
from fleet.cluster import token_file
from fleet.settings import FleetConfig
from stream.config import Config
from stream.messaging.curve.keys import KeyFileError, client_keys
from stream.settings.config_error import ConfigError


def problems(config: FleetConfig, node: str, *, is_head: bool) -> Iterator[str]:
    """Yield what is wrong on this machine, the node `node`, each with its setting. Paths are meant from here.

    Of engines of other nodes, and of cameras that are pinned elsewhere, only what is wrong on every machine.
    """
    if is_head:
        yield from asyncio.run(check_coordinator.problems(config.coordinator))
    yield from _cluster(config, is_head=is_head)
    yield from checks.addresses(config.cameras)
    engines = config.engines_of(node)
    yield from checks.backgrounds(camera for camera in config.cameras if camera.pin in (None, node, *engines))
    for engine, settings in engines.items():
        for problem in checks.problems(Config.model_validate(settings)):
            yield f"engine {engine}: {problem}"
    for other in sorted(config.nodes.keys() - {node}):
        for engine, settings in config.engines_of(other).items():
            for problem in checks.anywhere(Config.model_validate(settings)):
                yield f"engine {engine}: {problem}"
    try:
        membership = config.membership_of(node)
        client_keys(membership.get("server_key"), membership.get("key_file"))
    except KeyFileError as error:
        yield f"membership.server_key, membership.key_file: {error}"


def _cluster(config: FleetConfig, *, is_head: bool) -> Iterator[str]:
    folder, token = config.cluster.state_directory, config.cluster.token_file
    if (problem := no_files_in(folder)) is not None:
        yield f"cluster.state_directory: {problem}"
    if is_head and not token.exists():  # `up` creates it
        if (problem := no_files_in(token.parent)) is not None:
            yield f"cluster.token_file: {problem}"
        return
    try:
        token_file.check(token)
    except ConfigError as error:
        yield f"cluster.token_file: {error}"
