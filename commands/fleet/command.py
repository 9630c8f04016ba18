"""`partstream fleet`: many engines as one system, on the machines of a Ray cluster."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.application import Application, lines
from commands.ending import EXIT_USAGE, console, errors, fail, print_error
from commands.fleet import control
from commands.fleet.cameras import camera_app
from commands.fleet.proxy import EPILOG as PROXY_EPILOG
from commands.fleet.proxy import proxy_command
from commands.until_signal import until_signal

if TYPE_CHECKING:
    from fleet.settings import FleetConfig

logger = logging.getLogger(__name__)

fleet_app = Application(help="Run many engines as one system, and move cameras between them.", no_args_is_help=True)
fleet_app.command("status", epilog=control.STATUS_EPILOG)(control.status_command)
fleet_app.command("drain", epilog=control.DRAIN_EPILOG)(control.drain_command)
fleet_app.command("undrain")(control.undrain_command)
fleet_app.command("restart")(control.restart_command)
fleet_app.add_typer(camera_app, name="camera")
fleet_app.command("proxy", epilog=PROXY_EPILOG)(proxy_command)
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration of the fleet (YAML); see docs/fleet.md.")
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="A running Ray cluster: `auto` on one of its nodes.", show_default="a new one"
    ),
]
DEFAULT = Path("fleet.yaml")
OBJECT_STORE_BYTES = 80 << 20
"""Hardly anything is put into Ray's object store."""
ENDS_WITHIN_S = 15.0


@fleet_app.command("up", epilog=lines("`partstream fleet up`", "`partstream fleet up --address auto`"))
def up_command(config: ConfigOption = DEFAULT, address: AddressOption = None) -> None:
    """Start a fleet.

    Without `--address`, on this machine only, with a Ray of its own, until Ctrl-C: for a trial. With it, in a cluster
    that runs: the controller starts there, on the node with the resource `partstream_head`, and this command ends.
    """
    from telemetry import logs

    logs.configure()
    _require_ray()
    with errors():
        _loaded(config)
        raise typer.Exit(until_signal(_up(config, address)))


@fleet_app.command("down")
def down_command(address: AddressOption = "auto") -> None:
    """Stop the controller and all engines of a cluster. Ray goes on."""
    from telemetry import logs

    logs.configure()
    _require_ray()
    with errors():
        raise typer.Exit(until_signal(_down(address)))


@fleet_app.command("check", epilog=lines("`partstream fleet check`"))
def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The fleet's configuration.")] = DEFAULT,
) -> None:
    """Check a fleet's configuration on this machine.

    Also checks addresses, and the files that it names here: keys, tokens, checkpoints, rules, backgrounds and the
    store. Nothing is changed, and a fleet may run meanwhile. Exit code 2: something is wrong.
    """
    from commands.fleet.check import problems
    from telemetry import logs

    logs.configure(level="error")
    with errors():
        found = list(problems(_loaded(file)))
    for problem in found:
        print_error(f"{file}: {problem}")
    if found:
        raise typer.Exit(EXIT_USAGE)
    console.print(f"{file}: correct", markup=False)


@fleet_app.command("schema")
def schema_command() -> None:
    """Print the JSON schema of `fleet.yaml`, for editors."""
    import json

    from fleet.settings import FleetConfig

    typer.echo(json.dumps(FleetConfig.model_json_schema(), indent=2))


def _loaded(path: Path) -> FleetConfig:
    from fleet.settings import load

    with errors():
        return load(path)


def _connect(address: str | None) -> str:
    """Connect to a cluster, or make one. Return the resource of the node that is to have the controller."""
    import ray

    from fleet.controller_actor import HEAD
    from fleet.engine_actor import NAMESPACE

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    common: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "configure_logging": False}
    if address is None:
        ray.init(address="local", resources={HEAD: 1}, object_store_memory=OBJECT_STORE_BYTES, **common)
        return HEAD
    try:
        ray.init(address=address, **common)
    except ConnectionError as error:
        fail(f"no Ray cluster at {address}: {str(error).splitlines()[0]}; start one with `ray start --head`")
    if HEAD in ray.cluster_resources():
        return HEAD
    return f"node:{ray.util.get_node_ip_address()}"


async def _up(config: Path, address: str | None) -> int:
    from fleet import controller_actor

    resource = await asyncio.to_thread(_connect, address)
    actor = controller_actor.make(config, resource)
    try:
        addresses = await controller_actor.started(actor)
    except BaseException:
        await asyncio.to_thread(_kill, actor)
        raise
    logger.info("live page and API at %s, directory at %s", addresses["http"] or "no address", addresses["directory"])
    if address is not None:
        return 0
    try:
        await asyncio.Event().wait()
    finally:
        logger.info("stopping the engines and the controller")
        await _end(actor)
    return 0


async def _down(address: str | None) -> int:
    import ray

    from fleet.controller_actor import ACTOR
    from fleet.engine_actor import NAMESPACE

    await asyncio.to_thread(_connect, address)
    try:
        actor = ray.get_actor(ACTOR, NAMESPACE)
    except ValueError:
        fail("no fleet runs there")
    await _end(actor)
    return 0


async def _end(actor: Any) -> None:
    """Stop engines and controller in order; then what is left is killed."""
    from ray.exceptions import RayError

    try:
        await asyncio.wait_for(actor.end.remote(), ENDS_WITHIN_S)
    except (RayError, TimeoutError) as error:
        logger.warning("the fleet did not stop in order: %s", error)
    await asyncio.to_thread(_kill, actor)


def _kill(actor: Any) -> None:
    import ray

    ray.kill(actor)


def _require_ray() -> None:
    from importlib.util import find_spec

    from commands.extra_packages import install_command

    if find_spec("ray") is None:
        fail(f"a fleet needs Ray: {install_command('fleet')}", EXIT_USAGE)
