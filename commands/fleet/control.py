"""`partstream fleet status`, `drain` and `undrain`."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from commands.application import lines
from commands.console.amounts import counted, reduced_words
from commands.ending import EXIT_FAILED, console, plain_console, printable
from commands.fleet.asking import DEFAULT_URL, JsonOption, TokenOption, UrlOption, ask

if TYPE_CHECKING:
    from commands.fleet.client import CoordinatorClient

LEAST_MPX = 1e-4
"""Fewer megapixels per second, which no camera has, are shown as 0."""
STATUS_EPILOG = lines("`partstream fleet status`", "`partstream fleet status --url https://10.0.0.2:9095 --json`")
DRAIN_EPILOG = lines("`partstream fleet drain gpu-1 && partstream fleet status`")
LATE_MS = 1000.0
"""Results of an engine that has enough time are never this old."""
SLOW_START_S = 120.0
"""An engine that has loaded its model and reaches the coordinator has joined by then."""
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A node or an engine.")]


def status_command(
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the engines of a fleet, the cameras without one, and why cameras stay on an engine that is drained.

    Also shows engines that have too much to do, the cameras that an engine cannot read, and the engines that have ended
    and not joined since. The exit code is 1 if cameras cannot be read, if engines have ended, if an enabled camera has
    no engine, or if the coordinator is not ready.
    """
    if as_json:
        status = ask(url, token, lambda client: client.get("status"))
        typer.echo(json.dumps(status))
    else:
        status, staying = ask(url, token, _status)
        _show(status)
        for camera, reason in staying.items():
            console.print(printable(f"{camera} has not moved: {reason}"), markup=False)
    if not status["ready"] or status["unplaced"] or status["failed"] or status.get("ended"):
        raise typer.Exit(1)


def drain_command(name: NameArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Move the cameras of a node or an engine away, and give it no more.

    Returns at once; `status` shows when it is empty. Cameras that are pinned to it stay without an engine.
    """
    ask(url, token, lambda client: client.ask("POST", "fleet", "drain", name))
    plain_console.print(f"{printable(name)} is being drained", markup=False)


def undrain_command(name: NameArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """Let a node or an engine have cameras again.

    The exit code is 1 if it is not drained, or if its engines stay drained for another reason.
    """
    from commands.fleet.client import CoordinatorError

    async def end(client: CoordinatorClient) -> dict[str, Any]:
        before = await client.get("status")
        if name not in before["drains"]:
            raise CoordinatorError(_why_not_drained(name, before))
        await client.ask("DELETE", "fleet", "drain", name)
        return await client.get("status")

    status = ask(url, token, end)
    engines = _named(name, status)
    staying = {one["engine"]: other for one in engines if (other := _drained_by(one, status["drains"])) is not None}
    if not engines or len(staying) < len(engines):
        plain_console.print(f"{printable(name)} may have cameras", markup=False)
    for engine, other in staying.items():
        why = "" if other == engine else f", because its node {other} is"
        plain_console.print(
            printable(f"{engine} stays drained{why}: run `partstream fleet undrain {other}`"), markup=False
        )
    if engines and len(staying) == len(engines):
        raise typer.Exit(EXIT_FAILED)


def _named(name: str, status: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the engine or the engines of the node of this name, without lost ones."""
    return [one for one in status["engines"] if name in (one["engine"], one["node"]) and one["state"] != "lost"]


def _drained_by(engine: dict[str, Any], drains: dict[str, bool]) -> str | None:
    """Return the name to undrain, so that an engine may have cameras; None if it may."""
    return next((name for name in (engine["node"], engine["engine"]) if name in drains), None)


def _why_not_drained(name: str, status: dict[str, Any]) -> str:
    other = next((found for one in _named(name, status) if (found := _drained_by(one, status["drains"]))), None)
    if other is not None:
        what = "its node" if name in {one["engine"] for one in status["engines"]} else "its engine"
        return f"{name} is not drained itself, but {what} {other} is: run `partstream fleet undrain {other}`"
    drained = ", ".join(status["drains"])
    return f"{name} is not drained; " + (f"drained are: {drained}" if drained else "nothing is")


async def _status(client: CoordinatorClient) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the status, and why cameras are still on engines that are being drained."""
    status = await client.get("status")
    emptying = {one["engine"] for one in status["engines"] if one["state"] == "draining" and one["cameras"]}
    cameras = (await client.get("cameras"))["cameras"] if emptying else []
    placed = (camera for camera in cameras if camera["place"]["state"] == "placed")
    return status, {one["id"]: one["status"]["message"] for one in placed if one["place"]["engine"] in emptying}


def _show(status: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("engine", "node", "state"):
        table.add_column(title, overflow="fold")
    for title in ("cameras", "load", "capacity", "age", "drops"):
        table.add_column(title, justify="right")
    for engine in status["engines"]:
        table.add_row(*_row(engine, status["drains"]))
    if status["engines"]:
        console.print(table)
    elif not status["starting"]:
        console.print("no engine has joined: an engine joins when it has loaded its model")
    ended = {one["engine"] for one in status.get("ended", ())}
    for one in status["starting"]:
        if one["engine"] not in ended:
            console.print(printable(_starting_text(**one)), markup=False)
    for one in status.get("ended", ()):
        plain_console.print(printable(_ended_text(**one)), markup=False)
    cameras = status["cameras"]
    console.print(counted(sum(cameras.values()), "camera") + ": " + ", ".join(_counts(cameras)))
    for reason in status["reasons"]:
        console.print(printable(f"not ready: {reason}"), markup=False)
    for camera, reason in status["unplaced"].items():
        console.print(printable(f"{camera} has no engine: {reason}"), markup=False)
    for camera, failed in status["failed"].items():
        console.print(printable(failure_text(camera, **failed)), markup=False)
    for engine in status["engines"]:
        if engine.get("privacy") == "skeleton":
            console.print(printable(f"{engine['engine']}: all cameras are in skeleton mode there"), markup=False)
        if remark := _load_text(engine):
            plain_console.print(printable(remark), markup=False)
        if engine["state"] == "lost":
            console.print(printable(f"{engine['engine']} is lost: {engine['message']}"), markup=False)


def _starting_text(engine: str, node: str, since_s: float, **_: Any) -> str:
    if since_s < SLOW_START_S:
        return f"engine {engine} of node {node} is starting: it loads its model"
    return f"engine {engine} of node {node} was started {since_s:.0f} s ago and has not joined: its log there tells why"


def _load_text(engine: dict[str, Any]) -> str:
    """Return a sentence about an engine that has too much to do or gives up detail; empty if it does neither."""
    name, load, capacity = (engine[key] for key in ("engine", "load", "capacity"))
    level = engine.get("ease_level", 0)  # coordinators of earlier releases tell neither it nor `overloaded`
    more = load > capacity > 0
    if not engine.get("overloaded") and not more:
        return f"{name}: {reduced_words(level, engine['max_ease_level'], engine['node'])}" if level else ""
    told = [
        f"its load of {_mpx_text(load)} is more than its capacity of {_mpx_text(capacity)}" if more else "",
        f"its results are up to {engine['age_ms'] / 1000:.1f} s late" if engine["age_ms"] >= LATE_MS else "",
        f"it drops {engine['dropped']:.1f} frames per second" if engine["dropped"] else "",
        f"it gives up detail (ease level {level} of {engine['max_ease_level']})" if level else "",
    ]
    return ", ".join(filter(None, [f"{name} has too much to do", *told]))


def _ended_text(engine: str, node: str, count: int, since_us: int, how: str, error: str, log: str, **_: Any) -> str:
    since = datetime.fromtimestamp(since_us / 1e6).strftime("%H:%M:%S")
    told = f"{how}: {error}" if error else how
    return f"engine {engine} of node {node} has ended {counted(count, 'time')} since {since}: {told}; log: {log}"


def failure_text(camera: str, engine: str, reason: str, message: str) -> str:
    """Return a sentence about a camera that its engine cannot read."""
    return f"{camera} has failed on {engine} ({reason}): {message}"


def _row(engine: dict[str, Any], drains: dict[str, bool]) -> list[str]:
    empty = drains.get(engine["engine"]) or drains.get(engine["node"])
    state = "drained" if engine["state"] == "draining" and empty else engine["state"]
    if state == "lost":
        return [engine["engine"], engine["node"], "[red]lost[/]", *[""] * 5]
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


def _counts(cameras: dict[str, int]) -> list[str]:
    return [f"{count} {state}" for state, count in cameras.items() if count] or ["none"]


def _mpx_text(value: float) -> str:
    """Return megapixels per second with two significant digits at least: `0.58 Mpx/s`, `2.3 Mpx/s`, `120 Mpx/s`."""
    digits = max(0, 1 - math.floor(math.log10(value))) if value >= LEAST_MPX else 0
    return f"{value:.{digits}f} Mpx/s"
