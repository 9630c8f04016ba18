"""`partstream fleet`: many engines as one system, on the machines of a Ray cluster."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.application import Application, lines
from commands.ending import EXIT_FAILED, EXIT_USAGE, console, fail, print_error
from commands.fleet import control
from commands.fleet.cameras import camera_app
from commands.fleet.proxy import EPILOG as PROXY_EPILOG
from commands.fleet.proxy import proxy_command
from commands.until_signal import end_at_once, until_signal

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
    str | None, typer.Option(metavar="ADDRESS", help="A running Ray cluster: `auto` on one of its nodes.")
]
DEFAULT = Path("fleet.yaml")
OBJECT_STORE_BYTES = 80 << 20
"""Hardly anything is put into Ray's object store."""
ENDS_WITHIN_S, CONNECTS_WITHIN_S, JOINS_WITHIN_S = 15.0, 5.0, 15.0


@fleet_app.command("up", epilog=lines("`partstream fleet up`", "`partstream fleet up --address auto`"))
def up_command(config: ConfigOption = DEFAULT, address: AddressOption = None) -> None:
    """Start a fleet.

    Without `--address`, on this machine only, with a Ray of its own, until Ctrl-C: for a trial. With it, in a cluster
    that runs: the controller starts there, on the node with the resource `partstream_head`, and this command ends.
    """
    _prepare()
    from fleet.settings import load

    settings = load(config)
    if address is None:
        asyncio.run(_try(settings))
    head = _connect(address)
    if address is not None and _running() is not None:
        fail("a fleet runs there: `partstream fleet down` stops it, and `partstream fleet status` shows it")
    raise typer.Exit(until_signal(_up(config, head, stays=address is None)))


@fleet_app.command("down")
def down_command(address: AddressOption = "auto") -> None:
    """Stop the controller and all engines of a cluster. Ray goes on."""
    _prepare()
    _connect(address)
    actor = _running()
    if actor is None:
        fail("no fleet runs there")
    raise typer.Exit(until_signal(_end(actor)))


@fleet_app.command("check", epilog=lines("`partstream fleet check`"))
def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The fleet's configuration.")] = DEFAULT,
) -> None:
    """Check a fleet's configuration on this machine.

    Also checks addresses, and the files that it names here: keys, tokens, checkpoints, rules and backgrounds. Nothing
    is changed, and a fleet may run meanwhile. Exit code 2: something is wrong.
    """
    from commands.fleet.check import problems
    from fleet.settings import load
    from telemetry import logs

    logs.configure(level="error")
    found = list(problems(load(file)))
    for problem in found:
        print_error(f"{file}: {problem}")
    if found:
        raise typer.Exit(EXIT_USAGE)
    console.print(f"{file}: correct", markup=False)


@fleet_app.command("schema")
def schema_command() -> None:
    """Print the JSON schema of `fleet.yaml`, for editors."""
    from fleet.settings import FleetConfig

    typer.echo(json.dumps(FleetConfig.model_json_schema(), indent=2))


def _prepare() -> None:
    """Begin a command that needs Ray."""
    from importlib.util import find_spec

    from commands.extra_packages import install_command
    from telemetry import logs

    logs.configure()
    if find_spec("ray") is None:
        fail(f"a fleet needs Ray: {install_command('fleet')}", EXIT_USAGE)


async def _try(config: FleetConfig) -> None:
    """Raise `ConfigError` if store or directory are in use, for example by another trial. Ray is slow to start."""
    from fleet.controller import Controller

    controller = Controller(config)
    try:
        await controller.open()
    finally:
        await controller.stop()


def _connect(address: str | None) -> str:
    """Connect to a cluster, or make one. Return the resource of the node that is to have the controller.

    Called in the main thread, where Ray sets signal handlers.
    """
    import ray
    from ray._private.services import get_ray_address_from_environment
    from ray.exceptions import RayError

    from fleet.controller_actor import HEAD
    from fleet.engine_actor import NAMESPACE

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    common: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "configure_logging": False}
    if address is None:
        logger.info("starting Ray on this machine, which takes about 15 s")
        os.umask(0o077)  # Ray would let everyone read the token that it writes
        ray.init(address="local", resources={HEAD: 1}, object_store_memory=OBJECT_STORE_BYTES, **common)
        return HEAD
    try:
        if address == "auto":
            address = get_ray_address_from_environment(address, None)
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), port), CONNECTS_WITHIN_S).close()
        logger.info("waiting for the Ray cluster at %s", address)
        silent = f"the Ray at {address} does not answer: is it another user's, with another token or version?"
        late = threading.Timer(JOINS_WITHIN_S, lambda: (print_error(silent), end_at_once(EXIT_FAILED)))
        late.daemon = True
        late.start()  # Ray would try for minutes, deaf to signals
        ray.init(address=address, **common)
        late.cancel()
    except (OSError, ValueError, RuntimeError, RayError) as error:
        why = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
        fail(f"no Ray cluster at {address} ({why}): start one with `ray start --head`, or give HOST:PORT of one")
    return HEAD if HEAD in ray.cluster_resources() else f"node:{ray.util.get_node_ip_address()}"


def _running() -> Any:
    """Return the controller's actor in the cluster; None if there is none."""
    import ray

    from fleet.controller_actor import ACTOR
    from fleet.engine_actor import NAMESPACE

    try:
        return ray.get_actor(ACTOR, NAMESPACE)
    except ValueError:
        return None


async def _up(config: Path, resource: str, *, stays: bool) -> int:
    import ray
    from ray.exceptions import RayError

    from fleet import controller_actor
    from fleet.engines import reason

    actor = controller_actor.make(config, resource)
    try:
        addresses = await controller_actor.started(actor)
    except BaseException as error:
        await asyncio.to_thread(ray.kill, actor)
        if isinstance(error, RayError):
            fail(f"the controller's process can't start: {reason(error)}")
        raise
    page = f"live page and API at {addresses['http']}, " if addresses["http"] else ""
    logger.info("the fleet has started: %sdirectory at %s", page, addresses["directory"].replace("tcp", "fleet", 1))
    if stays:
        try:
            await asyncio.Event().wait()
        finally:
            logger.info("stopping the engines and the controller")
            await _end(actor)
    return 0


async def _end(actor: Any) -> int:
    """Stop engines and controller in order. Kill the controller if it has not ended by then."""
    import ray
    from ray.exceptions import RayError

    try:
        await asyncio.wait_for(actor.end.remote(), ENDS_WITHIN_S)
    except (RayError, TimeoutError) as error:
        logger.warning("the fleet did not stop in order: %s", str(error) or f"not within {ENDS_WITHIN_S:.0f} s")
    await asyncio.to_thread(ray.kill, actor)
    return 0
