"""`partstream notify`: send alerts to MQTT, webhooks, phones and mail, and list the messages."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
from collections.abc import Generator
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands.application import Application, lines
from commands.ending import EXIT_USAGE, console, fail, print_error
from commands.until_signal import until_signal

if TYPE_CHECKING:
    from stream.notify.ledger import Delivery, Ledger
    from stream.notify.notifier import Notifier

logger = logging.getLogger(__name__)

notify_app = Application(invoke_without_command=True)
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration file (YAML); see docs/notify.md.")
]
"""Before or after the name of a subcommand; the latter counts."""
DEFAULT = Path("notify.yaml")
ListedState = Literal["pending", "sent", "held", "given_up"]


@notify_app.callback(
    epilog=lines(
        "`partstream notify --config notify.yaml`",
        "`partstream notify list --state given_up`",
        "`partstream notify test phone`",
    )
)
def notify_command(
    context: typer.Context,
    config: ConfigOption = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Log JSON lines.")] = False,
) -> None:
    """Send the engine's alerts to MQTT and Home Assistant, webhooks, phones and mail.

    It runs until it is stopped, on the engine's host or another one. At its next start it sends what it missed.
    """
    if context.invoked_subcommand is not None:
        context.default_map = {name: {"config": str(config)} for name in ("list", "retry", "test")}
        return
    from telemetry import logs

    logs.configure(json=as_json)
    from stream.notify.notify_config import load

    settings = load(config)
    from stream.notify.notifier import Notifier
    from stream.settings.config_error import ConfigError

    try:
        notifier = Notifier(settings)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from None
    logger.info("reading %s; targets: %s", settings.engine.endpoint, ", ".join(settings.targets))
    code = until_signal(_run(notifier))
    raise typer.Exit(code)


async def _run(notifier: Notifier) -> int:
    from stream.http.server.connections import Connections
    from stream.http.server.status import StatusServer
    from telemetry.catalogue import NOTIFY_METRICS

    connections = Connections(max_streams=0)

    def metrics() -> dict[str, Any]:
        refused = [((reason,), count) for reason, count in connections.refused.items()]
        return notifier.metrics() | {"notify_http_refused_total": refused}

    async with AsyncExitStack() as stack:
        if (address := notifier.config.metrics) is not None:
            status = StatusServer(address, connections, metrics, notifier.errors, NOTIFY_METRICS)
            await status.start()
            stack.push_async_callback(status.stop)
            logger.info("metrics and health: %s", status.address)
        await notifier.run()
    return 0


@notify_app.command("list")
def list_command(
    config: ConfigOption = DEFAULT,
    target: Annotated[str | None, typer.Option(metavar="NAME", help="List only messages of this target.")] = None,
    state: Annotated[ListedState | None, typer.Option(help="List only messages in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="List the latest N messages.")] = 100,
    events: Annotated[bool, typer.Option("--events", help="List events and clips too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """List messages: pending, sent, held back or given up, and why."""
    from commands.console.tables import table, text

    with _opened(config, target) as (ledger, _):
        found = ledger.find(target=target, state=state, limit=limit, plain=events)
    if as_json:
        for one in found:
            typer.echo(json.dumps(_view(one)))
        return
    shown = table("No.", "Made", "Target", "Camera", "Message", "State", "Tries", "Reason", words=8)
    for one in found:
        made = datetime.fromtimestamp(one.created_us / 1e6).strftime("%m-%d %H:%M")
        cells = (str(one.seq), made, one.target, one.lane, one.kind, one.state, str(one.attempts), one.error)
        shown.add_row(*map(text, cells))
    console.print(shown)


@notify_app.command("retry")
def retry_command(
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", help="The message's number in the list.")] = None,
    config: ConfigOption = DEFAULT,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="Retry all messages of this target that were given up.")
    ] = None,
) -> None:
    """Send a message that was given up or held back, or all messages of a target that were given up."""
    from commands.console.amounts import counted

    if (number is None) == (target is None):
        fail("give either the number of a message or --target", EXIT_USAGE)
    with _opened(config, target) as (ledger, _):
        count = ledger.retry(seq=number or 0, target=target)
    if not count:
        fail("no such message was given up or held back; `partstream notify list` lists messages")
    typer.echo(f"{counted(count, 'message')} will be sent")


@notify_app.command("test")
def test_command(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name in the configuration.")],
    config: ConfigOption = DEFAULT,
) -> None:
    """Send a test message to a target. `partstream notify` must be running."""
    from stream.notify.clock import now
    from stream.notify.intake import test_notice
    from stream.notify.ledger import in_use

    with _opened(config, target) as (ledger, path):
        ledger.plan(test_notice(target, now()), now().us)
    if in_use(path):
        typer.echo("queued; the running `partstream notify` sends it, and `partstream notify list` shows its state")
    else:
        print_error(f"queued, but no `partstream notify` runs with {path}; the next one sends it")


@notify_app.command("schema")
def schema_command(
    notice: Annotated[bool, typer.Option("--notice", help="Print the schema of messages instead.")] = False,
) -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from stream.notify.notice import json_schema
    from stream.notify.notify_config import NotifyConfig

    json.dump(json_schema() if notice else NotifyConfig.model_json_schema(), sys.stdout, indent=2)
    typer.echo()


@contextmanager
def _opened(config: Path, target: str | None) -> Generator[tuple[Ledger, Path]]:
    """Yield a configuration's ledger and its path. The configuration must have the target."""
    from stream.notify.ledger import Ledger
    from stream.notify.notify_config import load

    settings = load(config)
    if target is not None and target not in settings.targets:
        fail(f"{config} has no target {target}; it has {', '.join(settings.targets)}", EXIT_USAGE)
    try:
        with closing(Ledger(settings.ledger, locked=False)) as ledger:
            yield ledger, settings.ledger
    except sqlite3.Error as error:
        fail(f"the ledger can't be used: {error}")


def _view(one: Delivery) -> dict[str, object]:
    return {
        "number": one.seq,
        "id": one.id,
        "target": one.target,
        "camera": one.lane or None,
        "kind": one.kind,
        "alert": one.alert or None,
        "state": one.state,
        "tries": one.attempts,
        "made_us": one.created_us,
        "done_us": one.done_us or None,
        "next_try_us": one.due_us if one.state == "pending" and one.due_us else None,
        "reason": one.error or None,
    }
