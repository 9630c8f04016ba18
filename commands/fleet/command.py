"""`partstream fleet`: many engines as one system, on the machines of a cluster."""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import Application, lines
from commands.console.amounts import counted
from commands.ending import EXIT_FAILED, EXIT_USAGE, console, error_console, errors, fail, print_error, printable
from commands.fleet import control
from commands.fleet.cameras import camera_app
from commands.fleet.proxy import EPILOG as PROXY_EPILOG
from commands.fleet.proxy import proxy_command
from commands.until_signal import until_signal

if TYPE_CHECKING:
    from fleet.cluster.supervisor import Supervisor
    from fleet.settings import FleetConfig
    from telemetry.logs import LogOutput

logger = logging.getLogger(__name__)

fleet_app = Application(help="Run many engines as one system, and move cameras between them.", no_args_is_help=True)
fleet_app.command("status", epilog=control.STATUS_EPILOG)(control.status_command)
fleet_app.command("drain", epilog=control.DRAIN_EPILOG)(control.drain_command)
fleet_app.command("undrain")(control.undrain_command)
fleet_app.add_typer(camera_app, name="camera")
fleet_app.command("proxy", epilog=PROXY_EPILOG)(proxy_command)
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration of the fleet (YAML); see docs/fleet.md.")
]
NodeOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of this node.", show_default="the machine's name")
]
JsonLogsOption = Annotated[bool, typer.Option("--json", help="Log as JSON lines.")]
DEFAULT = Path("fleet.yaml")


class Part(StrEnum):
    """A part of a node that can be started again."""

    engine = "engine"
    coordinator = "coordinator"


@fleet_app.command(
    "up", epilog=lines("`partstream fleet up --head`", "`partstream fleet up --join 10.0.0.2 --node gpu-1`")
)
def up_command(
    config: ConfigOption = DEFAULT,
    head: Annotated[bool, typer.Option("--head", help="This node is the head: it has the coordinator.")] = False,
    join: Annotated[str | None, typer.Option(metavar="HOST", help="Join the fleet with this head.")] = None,
    node: NodeOption = None,
    json_logs: JsonLogsOption = False,
) -> None:
    """Add this machine to a fleet, until it is stopped.

    Starts Ray, and keeps it and the engines running. Ctrl-C stops all of them: other engines take over the cameras.
    A second Ctrl-C kills them. If this process is killed, the others go on, and the next `up` finds them.
    """
    from telemetry import logs

    output = logs.configure(json=json_logs)
    if head == (join is not None):
        fail("use either --head or --join HOST", EXIT_USAGE)
    _require_ray()
    with errors():
        supervisor = _supervisor(config, node, join, json_logs=json_logs)
        raise typer.Exit(until_signal(_supervise(supervisor), lambda: _kill(supervisor, output)))


@fleet_app.command("down")
def down_command(config: ConfigOption = DEFAULT, json_logs: JsonLogsOption = False) -> None:
    """Stop this machine's part of a fleet: `up`, Ray, the engines, and the coordinator if it is here.

    Run it in the folder in which `up` was run, with the same configuration.
    """
    from telemetry import logs

    logs.configure(json=json_logs)
    supervisor = _supervisor(config, None, None)
    raise typer.Exit(until_signal(_stop(supervisor)))


@fleet_app.command("restart", epilog=lines("`partstream fleet drain gpu-1`", "`partstream fleet restart engine`"))
def restart_command(
    part: Annotated[Part, typer.Argument(help="What to start again.")], config: ConfigOption = DEFAULT
) -> None:
    """Start the engines or the coordinator of this machine again.

    Run it in the folder in which `up` was run. Stops the process in order; the agent starts it again. Engines are
    restarted one after the other, each when the one before has joined again: until then, its cameras are on other
    engines, or have none if no other has room. An engine's settings are read from the configuration only by `up`.
    """
    from telemetry import logs

    logs.configure()
    supervisor = _supervisor(config, None, None)
    stopped: list[str] | None = None

    async def restart() -> int:
        nonlocal stopped
        stopped, came_back = await supervisor.restart(part.value)
        return 0 if came_back else EXIT_FAILED

    code = until_signal(restart())
    if stopped == []:
        fail(f"no {part.value} runs on this node")
    raise typer.Exit(code)


@fleet_app.command("check", epilog=lines("`partstream fleet check`", "`partstream fleet check --join --node gpu-1`"))
def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The fleet's configuration.")] = DEFAULT,
    join: Annotated[bool, typer.Option("--join", help="This machine is not the head: it has no coordinator.")] = False,
    node: NodeOption = None,
) -> None:
    """Check a fleet's configuration on this machine.

    Also checks addresses, and the files that it names here: keys, tokens, checkpoints, rules, backgrounds and the
    store. Start it in the folder and as the user of `up`. Nothing is changed, and a fleet may run meanwhile. Exit code
    2: something is wrong.
    """
    from telemetry import logs

    logs.configure(level="error")
    config, name = _loaded(file), _node_name(node)
    from commands.fleet import findings

    for warning in findings.warnings(config, name):
        print_error(f"{file}: warning: {warning}")
    if found := list(findings.errors(config, name, is_head=not join)):
        for problem in found:
            print_error(f"{file}: {problem}")
        raise typer.Exit(EXIT_USAGE)
    error_console.print(printable(f"{file}: valid ({counted(len(config.cameras), 'camera')})"), markup=False)


@fleet_app.command("schema")
def schema_command() -> None:
    """Print the JSON schema of a fleet's configuration."""
    from fleet.settings import FleetConfig

    console.print_json(data=FleetConfig.model_json_schema())


@fleet_app.command("coordinator")
def coordinator_command(config: ConfigOption = DEFAULT, json_logs: JsonLogsOption = False) -> None:
    """Run the coordinator alone, until it is stopped; `up --head` starts it by itself.

    For fleets whose engines are started in another way than by `partstream fleet up`.
    """
    from commands.fleet.coordinate import coordinate

    with errors():
        raise typer.Exit(coordinate(config, json=json_logs))


def _loaded(path: Path) -> FleetConfig:
    from fleet.settings import load

    with errors():
        return load(path)


def _supervisor(path: Path, node: str | None, join: str | None, *, json_logs: bool = False) -> Supervisor:
    from fleet.cluster.supervisor import Supervisor

    with errors():
        return Supervisor(_loaded(path), path, _node_name(node), join, json_logs=json_logs)


def _node_name(given: str | None) -> str:
    from stream.settings.fleet import NAME, own_name

    if given is not None and not NAME.fullmatch(given):
        fail(f"{given!r} is not a node's name: use a-z, 0-9, -, _ and dots, for example gpu-3", EXIT_USAGE)
    return given or own_name()


async def _supervise(supervisor: Supervisor) -> int:
    supervisor.start()
    try:
        await asyncio.Event().wait()
    finally:
        logger.info("stopping Ray, the engines and the coordinator. A second signal kills them at once")
        await supervisor.stop()
        logger.info("everything of this node is stopped")
    return 0


async def _stop(supervisor: Supervisor) -> int:
    logger.info("stopping Ray, the engines and the coordinator")
    try:
        await supervisor.stop_other()
        await supervisor.stop()
    except asyncio.CancelledError:
        _tell_left(supervisor.still_running())
        raise
    logger.info("everything of this node is stopped")
    return 0


def _kill(supervisor: Supervisor, output: LogOutput) -> None:
    """Kill everything of this node. The process ends after this, so that the log is written here."""
    try:
        left = supervisor.kill()
        if left:
            _tell_left(left)
        else:
            logger.warning("everything of this node is killed")
    finally:
        output.close()


def _tell_left(names: list[str]) -> None:
    if names:
        logger.warning("left running: %s. Run `partstream fleet down`", ", ".join(names))


def _require_ray() -> None:
    from importlib.util import find_spec

    from commands.extra_packages import install_command

    if find_spec("ray") is None:
        fail(f"fleets on several machines need Ray: {install_command('fleet')}", EXIT_USAGE)
