"""What would keep a coordinator with this configuration from starting here, other than one that runs already."""

from __future__ import annotations

import re
import secrets
from contextlib import AsyncExitStack
from typing import Protocol

from commands.config.this_machine import http_server, no_files_in, unless_in_use
from fleet.coordinator.directory import Directory
from fleet.coordinator.engines import Engines
from fleet.coordinator.renewals import Renewals
from fleet.coordinator.service import naming_settings
from fleet.coordinator.store import Store
from fleet.settings import CoordinatorConfig
from stream.settings.config_error import ConfigError


class _Part(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


async def problems(config: CoordinatorConfig) -> list[str]:
    """Return what is wrong, each with its setting. Starts the coordinator's sockets for a moment.

    Ports that are in use are taken for those of a coordinator that runs, so that others are used.
    """
    names = ("bind", "directory", "replay")
    elsewhere = config.model_copy(update={name: unless_in_use(getattr(config, name)) for name in names})
    found: list[str] = []
    try:
        Store(config.store).check()
    except ConfigError as error:
        found.append(str(error))
    if not config.store.exists() and (problem := no_files_in(config.store.parent)) is not None:
        found.append(f"coordinator.store: {problem}")
    async with AsyncExitStack() as running:
        parts: list[_Part] = [
            Renewals(elsewhere, lambda identity, renewal: None),
            Directory(elsewhere, secrets.token_hex(16), Engines(1.0, 1)),
        ]
        for part in parts:
            try:
                await part.start()
                running.push_async_callback(part.stop)
            except ConfigError as error:
                found.append(_with_own_addresses(str(error), config, elsewhere))
        if config.http.bind is not None:
            try:
                with naming_settings():
                    server = http_server(config.http)
                    await server.start()
                running.push_async_callback(server.stop)
            except ConfigError as error:
                found.append(_with_own_http_address(str(error), config.http.bind))
    return list(dict.fromkeys(found))


def _with_own_addresses(problem: str, config: CoordinatorConfig, elsewhere: CoordinatorConfig) -> str:
    """Return a problem with the configuration's addresses, also where another port was tried."""
    setting = problem.partition(":")[0].removeprefix("coordinator.")
    if setting not in ("bind", "directory", "replay"):
        return problem
    own, tried = getattr(config, setting), getattr(elsewhere, setting)
    place = re.escape(tried.rpartition(":")[0]).replace(r"\*", r"(?:\*|0\.0\.0\.0)")
    example = problem.replace("for example tcp://127.0.0.1:0", f"for example tcp://127.0.0.1:{own.rpartition(':')[2]}")
    return re.sub(rf"{place}:\d+", lambda found: str(own), example)


def _with_own_http_address(problem: str, own: str) -> str:
    """Return a problem with the configured address of the HTTP server, also where another port was tried."""
    tried = unless_in_use(own)
    return problem if tried == own else problem.replace(tried, own)
