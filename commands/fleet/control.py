"""`partstream fleet status`, `drain`, `undrain` and `restart`."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.application import lines
from commands.console.amounts import reduced_words
from commands.ending import EXIT_FAILED, console, fail, plain, say
from commands.fleet.cameras import say_reasons
from commands.fleet.client import DEFAULT_URL, ControllerClient, ControllerError, JsonOption, TokenOption, UrlOption

STATUS_EPILOG = lines("`partstream fleet status`", "`partstream fleet status --url https://10.0.0.2:9095 --json`")
DRAIN_EPILOG = lines("`partstream fleet drain engine-2 && partstream fleet status`")
LATE_MS = 1000.0
"""Results of an engine that has enough time are never this old."""
POLL_S = 1.0
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="An engine, or a node for all its engines.")]


def status_command(url: UrlOption = DEFAULT_URL, token: TokenOption = None, as_json: JsonOption = False) -> None:
    """Show the engines of a fleet, and what is wrong with them or with cameras.

    The exit code is 1 if cameras cannot be read, if an enabled camera has no engine, or if the controller is not ready.
    """
    client = ControllerClient(url, token)
    status = client.status()
    in_need = status["cameras"]["failed"] + status["cameras"]["unplaced"]
    if as_json:
        typer.echo(json.dumps(status))
    else:
        _show(status)
        say_reasons(client.cameras() if in_need else [])
    if not status["ready"] or in_need:
        raise typer.Exit(EXIT_FAILED)


def drain_command(name: NameArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Move the cameras of an engine or a node away, and assign no others to it.

    Returns at once; `status` shows when it is empty. Cameras that are pinned to it stay without an engine.
    """
    ControllerClient(url, token).ask("POST", "fleet", "drain", name)
    say(f"{name} is being drained: `partstream fleet status` shows when it is empty, or why it can't be")


def undrain_command(name: NameArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """End the drain of an engine or a node."""
    ControllerClient(url, token).ask("DELETE", "fleet", "drain", name)
    say(f"{name} is no longer drained")


def restart_command(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Restart all engines, one after the other, for example after an upgrade.

    Each is drained and ends, and another one replaces it; the next follows when this one has joined. Without room
    elsewhere, its cameras wait meanwhile.
    """
    client = ControllerClient(url, token)
    running = [engine for engine in client.status()["engines"] if engine["state"] == "running"]
    if not running:
        fail("no engine runs")
    for before in running:
        name = before["engine"]
        try:
            client.ask("POST", "fleet", "restart", name)
        except ControllerError as error:
            if error.kind != "no-such-engine":
                raise
            say(f"{name} has ended meanwhile")
        else:
            say(f"{name} is being restarted")
            _await_joined(client, name, before["address"]["run"])


def _await_joined(client: ControllerClient, name: str, run: str) -> None:
    """Wait until an engine has joined with another run. Ends the command if it cannot start."""
    while engine := next((one for one in client.status()["engines"] if one["engine"] == name), None):
        if engine["state"] == "lost":
            fail(f"{name} does not start: {engine['message']}")
        if engine["state"] == "running" and engine["address"]["run"] != run:
            say(f"{name} has joined, run {engine['address']['run'][:8]}")
            return
        time.sleep(POLL_S)
    say(f"{name} is no longer needed")


def _show(status: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("engine", "node", "state"):
        table.add_column(title, overflow="fold")
    for title in ("cameras", "load", "capacity", "age", "drops"):
        table.add_column(title, justify="right")
    for engine in status["engines"]:
        table.add_row(plain(engine["engine"]), plain(engine["node"]), *_cells(engine))
    if status["engines"]:
        console.print(table)
    counts = [f"{count} {state}" for state, count in status["cameras"].items() if count] or ["none"]
    say(f"cameras: {', '.join(counts)}; engines needed: {status['wanted_engines']}")
    for reason in status["reasons"]:
        say(f"not ready: {reason}")
    for engine in status["engines"]:
        for remark in _remarks(engine):
            say(f"{engine['engine']} {remark}")


def _cells(engine: dict[str, Any]) -> list[str]:
    state, report = plain(engine["state"]), engine["report"]
    if report is None:
        return [f"[red]{state}[/]" if state == "lost" else state]
    return [
        "drained" if state == "draining" and not engine["cameras"] else state,
        str(engine["cameras"]),
        _mpx_text(engine["load"]),
        _mpx_text(report["capacity"]),
        f"{report['age_ms']:.0f} ms",
        f"{report['dropped']:.1f}/s",
    ]


def _remarks(engine: dict[str, Any]) -> list[str]:
    """Return remarks on an engine, each to follow its name."""
    report = engine["report"]
    if report is None:
        of_states = {
            "waiting": "waits for a Ray node with room for it",
            "starting": f"loads its model on {engine['node']}, for {engine['since_s']:.0f} s",
            "lost": f"is lost: {engine['message']}",
        }
        return [of_states[engine["state"]]] if engine["state"] in of_states else []
    remarks = ["has all cameras in skeleton mode"] if report["privacy"] == "skeleton" else []
    remarks += [f"keeps {engine['message']}"] if engine["message"] else []
    level, load, capacity = report["ease_level"], engine["load"], report["capacity"]
    more = load > capacity > 0
    if more or engine["suffers"]:
        why = [
            f"its load of {_mpx_text(load)} is more than its capacity of {_mpx_text(capacity)}" if more else "",
            f"its results are up to {report['age_ms'] / 1000:.1f} s late" if report["age_ms"] >= LATE_MS else "",
            f"it drops {report['dropped']:.1f} frames per second" if report["dropped"] else "",
            f"it gives up detail (ease level {level} of {report['max_ease_level']})" if level else "",
        ]
        remarks.append(", ".join(filter(None, ["has too much to do", *why])))
    elif level:
        remarks.append(f"shows {reduced_words(level, report['max_ease_level'], engine['node'])}")
    return remarks


def _mpx_text(value: float) -> str:
    """Return megapixels per second with two significant digits at least: `0.58 Mpx/s`, `2.3 Mpx/s`, `120 Mpx/s`."""
    return f"{value:.0f} Mpx/s" if value >= 10 else f"{round(value, 4):.2g} Mpx/s"
