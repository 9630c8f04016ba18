"""`partstream fleet status`, `drain`, `undrain` and `restart`."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from commands.application import lines
from commands.console.amounts import reduced_words
from commands.ending import console, fail, plain_console, printable
from commands.fleet.client import DEFAULT_URL, JsonOption, TokenOption, UrlOption, ask

if TYPE_CHECKING:
    from commands.fleet.client import ControllerClient

LEAST_MPX = 1e-4
"""Fewer megapixels per second, which no camera has, are shown as 0."""
STATUS_EPILOG = lines("`partstream fleet status`", "`partstream fleet status --url https://10.0.0.2:9095 --json`")
DRAIN_EPILOG = lines("`partstream fleet drain engine-2 && partstream fleet status`")
LATE_MS = 1000.0
"""Results of an engine that has enough time are never this old."""
POLL_S = 1.0
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="An engine, or a node for all its engines.")]


def status_command(url: UrlOption = DEFAULT_URL, token: TokenOption = None, as_json: JsonOption = False) -> None:
    """Show the engines of a fleet, and the cameras without one.

    Also shows engines that have too much to do, and the cameras that an engine cannot read. The exit code is 1 if
    cameras cannot be read, if an enabled camera has no engine, or if the controller is not ready.
    """
    status = ask(url, token, lambda client: client.get("status"))
    if as_json:
        typer.echo(json.dumps(status))
    else:
        _show(status)
    if not status["ready"] or status["unplaced"] or status["failed"]:
        raise typer.Exit(1)


def drain_command(name: NameArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Move the cameras of an engine or a node away, and give it no more.

    Returns at once; `status` shows when it is empty. Cameras that are pinned to it stay without an engine.
    """
    ask(url, token, lambda client: client.ask("POST", "fleet", "drain", name))
    plain_console.print(f"{printable(name)} is being drained", markup=False)


def undrain_command(name: NameArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Let an engine or a node have cameras again."""
    ask(url, token, lambda client: client.ask("DELETE", "fleet", "drain", name))
    plain_console.print(f"{printable(name)} may have cameras", markup=False)


def restart_command(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Start all engines again, one after the other, for example after an upgrade.

    Each is drained, ends, and another one takes its place; the next follows when this one has joined. Without room
    elsewhere, its cameras wait meanwhile.
    """

    async def restart(client: ControllerClient) -> None:
        engines = [one["engine"] for one in (await client.get("status"))["engines"] if one["state"] == "running"]
        if not engines:
            fail("no engine runs")
        for name in engines:
            before = _run_of(await client.get("status"), name)
            await client.ask("POST", "fleet", "restart", name)
            plain_console.print(f"{printable(name)} is started again", markup=False)
            while (now := _run_of(await client.get("status"), name)) in ("", before):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            plain_console.print(f"{printable(name)} has joined, run {now[:8]}", markup=False)

    ask(url, token, restart)


def _run_of(status: dict[str, Any], engine: str) -> str:
    """Return the run of an engine that runs; empty otherwise."""
    return next((one["run"] for one in status["engines"] if (one["engine"], one["state"]) == (engine, "running")), "")


def _show(status: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("engine", "node", "state"):
        table.add_column(title, overflow="fold")
    for title in ("cameras", "load", "capacity", "age", "drops"):
        table.add_column(title, justify="right")
    for engine in status["engines"]:
        table.add_row(*_row(engine))
    if status["engines"]:
        console.print(table)
    cameras = status["cameras"]
    counts = [f"{count} {state}" for state, count in cameras.items() if count] or ["none"]
    console.print(f"cameras: {', '.join(counts)}; engines needed: {status['wanted_engines']}")
    for reason in status["reasons"]:
        console.print(printable(f"not ready: {reason}"), markup=False)
    for camera, reason in status["unplaced"].items():
        console.print(printable(f"{camera} has no engine: {reason}"), markup=False)
    for camera, failed in status["failed"].items():
        console.print(printable(failure_text(camera, **failed)), markup=False)
    for engine in status["engines"]:
        if engine["privacy"] == "skeleton":
            console.print(printable(f"{engine['engine']}: all cameras are in skeleton mode there"), markup=False)
        if remark := _remark(engine):
            plain_console.print(printable(remark), markup=False)


def _remark(engine: dict[str, Any]) -> str:
    """Return a sentence about an engine that needs attention; empty if it does not."""
    name, state = engine["engine"], engine["state"]
    if state == "waiting":
        return f"{name} waits for a Ray node with room for it"
    if state == "starting":
        return f"{name} loads its model on {engine['node']}, for {engine['since_s']:.0f} s"
    if state == "lost":
        return f"{name} is lost: {engine['message']}"
    level, load, capacity = engine["ease_level"], engine["load"], engine["capacity"]
    more = load > capacity > 0
    if not engine["overloaded"] and not more:
        return f"{name}: {reduced_words(level, engine['max_ease_level'], engine['node'])}" if level else ""
    told = [
        f"its load of {_mpx_text(load)} is more than its capacity of {_mpx_text(capacity)}" if more else "",
        f"its results are up to {engine['age_ms'] / 1000:.1f} s late" if engine["age_ms"] >= LATE_MS else "",
        f"it drops {engine['dropped']:.1f} frames per second" if engine["dropped"] else "",
        f"it gives up detail (ease level {level} of {engine['max_ease_level']})" if level else "",
    ]
    return ", ".join(filter(None, [f"{name} has too much to do", *told]))


def failure_text(camera: str, engine: str, reason: str, message: str) -> str:
    """Return a sentence about a camera that its engine cannot read."""
    return f"{camera} has failed on {engine} ({reason}): {message}"


def _row(engine: dict[str, Any]) -> list[str]:
    state = "drained" if engine["state"] == "draining" and not engine["cameras"] else engine["state"]
    if state in ("waiting", "starting", "lost"):
        return [engine["engine"], engine["node"], f"[red]{state}[/]" if state == "lost" else state, *[""] * 5]
    return [
        engine["engine"],
        engine["node"],
        state,
        str(engine["cameras"]),
        _mpx_text(engine["load"]),
        _mpx_text(engine["capacity"]),
        f"{engine['age_ms']:.0f} ms",
        f"{engine['dropped']:.1f}/s",
    ]


def _mpx_text(value: float) -> str:
    """Return megapixels per second with two significant digits at least: `0.58 Mpx/s`, `2.3 Mpx/s`, `120 Mpx/s`."""
    digits = max(0, 1 - math.floor(math.log10(value))) if value >= LEAST_MPX else 0
    return f"{value:.{digits}f} Mpx/s"
