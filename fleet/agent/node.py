"""What runs on a node of a fleet, from the fleet's configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleet.agent import kept_file
from fleet.agent.agent import Agent
from fleet.agent.detached_process import DetachedProcess
from fleet.agent.ended_runs import EndedRuns
from fleet.agent.program import without_ray
from fleet.settings import FleetConfig
from stream.membership.addresses import is_on_all_interfaces, reached
from stream.settings.engine import PublishConfig

COORDINATOR = "coordinator"
TOKEN_VARIABLE = "PARTSTREAM_FLEET_TOKEN"
"""A token of the coordinator's HTTP server, if `control_token` is not set."""
JSON_LOGS_VARIABLE = "PARTSTREAM_FLEET_JSON_LOGS"
"""Set if the coordinator and engines log JSON lines, as `partstream fleet up` does."""


def agent_of(config: FleetConfig, node: str, head: str, address: str, directory: Path) -> Agent:
    """Return the agent of a node, whose own address is `address`; the coordinator runs on the host `head`.

    Relative paths are meant from `directory`. Raises `OSError` if the state directory can't be written and has
    no files from before.
    """
    folder = directory / config.cluster.state_directory / "engines"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    coordinator_file = folder / COORDINATOR
    kept_file.write(coordinator_file, reached(config.coordinator.bind, head) + "\n")
    engines = engine_settings(config, node, address, coordinator_file)
    tell, json_logs = told_runs(config, node, head), JSON_LOGS_VARIABLE in os.environ
    if tell is None:
        return Agent(engines, folder, directory, _leave_to_the_lease, json_logs=json_logs)
    return Agent(engines, folder, directory, tell, tell.started, json_logs=json_logs)


def told_runs(config: FleetConfig, node: str, head: str) -> EndedRuns | None:
    """Return what tells the coordinator on the host `head` of runs of a node; None if it has no HTTP server."""
    http = config.coordinator.http
    if http.bind is None:
        return None
    token = http.control_token.get_secret_value() if http.control_token is not None else os.environ.get(TOKEN_VARIABLE)
    return EndedRuns(coordinator_url(config, head), token, node)


def known_head(folder: Path) -> str | None:
    """Return the host of the head, as the node's agent has written it to the engines' folder; None if it has not."""
    try:
        return urlsplit((folder / COORDINATOR).read_text(errors="replace").strip()).hostname
    except (OSError, ValueError):
        return None


def engine_settings(config: FleetConfig, node: str, address: str, coordinator_file: Path) -> dict[str, dict[str, Any]]:
    """Return the configurations of a node's engines, by name."""
    configured: dict[str, dict[str, Any]] = {}
    for name, settings in config.engines_of(node).items():
        fleet: dict[str, Any] = {"coordinator_file": str(coordinator_file.resolve()), "engine": name, "node": node}
        if is_on_all_interfaces(PublishConfig.model_validate(settings.get("publish", {})).endpoint):
            fleet["public_host"] = address
        configured[name] = settings | {"fleet": fleet | config.membership_of(node)}
    return configured


def coordinator_process(config: FleetConfig, path: Path, directory: Path) -> DetachedProcess:
    """Return the process of the coordinator, with the configuration at `path`."""
    folder = directory / config.cluster.state_directory
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    json_logs = ["--json"] if JSON_LOGS_VARIABLE in os.environ else []
    return DetachedProcess(
        COORDINATOR,
        [sys.executable, "-m", "commands.fleet.coordinate", str(path.resolve()), *json_logs],
        folder,
        directory=directory,
        environment=without_ray(os.environ),
    )


def coordinator_url(config: FleetConfig, head: str) -> str:
    """Return the address of the coordinator's HTTP server, as other nodes reach it. It must have one."""
    http = config.coordinator.http
    scheme = "https" if http.tls_certificate is not None else "http"
    return reached(f"{scheme}://{http.bind}", head)


async def _leave_to_the_lease(engine: str, run: str, end: Mapping[str, str]) -> None:
    """Tell nothing: the coordinator has no HTTP server, and notices when the lease ends."""
