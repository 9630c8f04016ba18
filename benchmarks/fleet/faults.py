"""Faults in a fleet on one machine: how long cameras are away, what is lost, and what is stale."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks import machine, stats
from benchmarks.commands.options import RESULTS, JsonOption, consoles, with_header
from benchmarks.fleet.readers import Row, fleet_results, raw_results
from benchmarks.report import print_goals, print_machine, write_json
from benchmarks.rounds import Goal
from benchmarks.run_once import RunFailedError

if TYPE_CHECKING:
    from benchmarks.fleet.local_fleet import LocalFleet

NODES, CAMERAS = 3, 12
PAUSED_S = 10.0
AWAY_S = 120.0
FPS = 10.0
BEFORE_S, AFTER_S = 2.0, 3.0
RECOVERED_WITHIN_S = 60.0


@dataclass(slots=True)
class Injected:
    """A fault that has happened."""

    at_ns: int
    touched: set[str]
    """Cameras that have to move."""
    control_s: float | None = None
    """Seconds until the controller answered again, where that is the question."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run; seconds, and results."""

    live_s: float
    """Until the last touched camera had a result of a higher generation; 0 if none was touched."""
    touched_silence_s: float
    other_silence_s: float
    control_s: float | None
    moved_others: int
    """Untouched cameras that have moved all the same."""
    stale_on_the_wire: int
    """Results that reached a raw subscriber with a lower generation than one before."""
    stale_handed_out: int
    """The same of our own subscriber: a fault of ours."""
    uncounted: int
    """Results missing within a run, topic and epoch of what our subscriber handed out, without a gap."""
    missing_cameras: int


async def _busiest(fleet: LocalFleet, what: str) -> tuple[str, set[str]]:
    """Return the `engine` or `node` of the engine with most cameras, and the cameras there."""
    name = max((await fleet.status())["engines"], key=lambda engine: engine["cameras"])[what]
    return name, {camera for camera, one in (await fleet.cameras()).items() if one["place"][what] == name}


async def engine_killed(fleet: LocalFleet) -> Injected:
    """SIGKILL of an engine's process."""
    name, touched = await _busiest(fleet, "engine")
    os.kill(await fleet.pid(name), signal.SIGKILL)
    return Injected(time.monotonic_ns(), touched)


async def node_killed(fleet: LocalFleet) -> Injected:
    """SIGKILL of all processes of a node."""
    node, touched = await _busiest(fleet, "node")
    fleet.nodes.signal(node, signal.SIGKILL)
    return Injected(time.monotonic_ns(), touched)


async def node_paused(fleet: LocalFleet) -> Injected:
    """SIGSTOP of all processes of a node, for `PAUSED_S`."""
    node, touched = await _busiest(fleet, "node")
    fleet.nodes.signal(node, signal.SIGSTOP)
    at_ns = time.monotonic_ns()
    await asyncio.sleep(PAUSED_S)
    fleet.nodes.signal(node, signal.SIGCONT)
    return Injected(at_ns, touched)


async def controller_killed(fleet: LocalFleet) -> Injected:
    """SIGKILL of the controller's process."""
    import ray

    from fleet.controller_actor import ACTOR
    from fleet.engine_actor import NAMESPACE

    actor: Any = ray.get_actor(ACTOR, NAMESPACE)
    os.kill(await actor.pid.remote(), signal.SIGKILL)
    at_ns = time.monotonic_ns()
    await fleet.until("the controller answers", fleet.live, RECOVERED_WITHIN_S)
    return Injected(at_ns, set(), control_s=(time.monotonic_ns() - at_ns) / 1e9)


async def drain(fleet: LocalFleet) -> Injected:
    """A drain of a node."""
    node, touched = await _busiest(fleet, "node")
    at_ns = time.monotonic_ns()
    await fleet.ask("POST", f"fleet/drain/{node}")
    return Injected(at_ns, touched)


async def head_away(fleet: LocalFleet) -> Injected:
    """SIGKILL of all processes of the head, the controller's too, and `ray start --head` after `AWAY_S`."""
    import ray

    ray.shutdown()  # this process is connected to the head
    fleet.nodes.kill("head")
    killed_ns = time.monotonic_ns()
    await asyncio.sleep(AWAY_S)
    back_ns = time.monotonic_ns()
    await asyncio.to_thread(fleet.nodes.start_head)
    await fleet.until("the controller answers", fleet.live, RECOVERED_WITHIN_S)
    await fleet.add("late", f"pattern:320x180@{FPS:g}")
    await fleet.until("a new camera is live", fleet.live, RECOVERED_WITHIN_S)
    return Injected(killed_ns, set(), control_s=(time.monotonic_ns() - back_ns) / 1e9)


@dataclass(frozen=True, slots=True)
class Fault:
    """What can happen, and the goals in seconds, if there are any."""

    happens: Callable[[LocalFleet], Awaitable[Injected]]
    live_s: float | None = None
    """Until touched cameras are live elsewhere."""
    control_s: float | None = None
    """Until the controller answers; after an absence of the head, until a new camera is live, too."""
    silence_s: float | None = None
    """Of touched cameras."""
    storage: str | None = None
    """Where Ray's head keeps its state. Without, a head that is started again ends all nodes."""


FAULTS = {
    "engine-killed": Fault(engine_killed, live_s=3),
    "node-killed": Fault(node_killed, live_s=10),
    "node-paused": Fault(node_paused, live_s=6),
    "controller-killed": Fault(controller_killed, control_s=5),
    "drain": Fault(drain, silence_s=2),
    "head-away-redis": Fault(head_away, control_s=30, storage="redis"),
    "head-away-rocksdb": Fault(head_away, control_s=30, storage="rocksdb"),
}


async def run(name: str, cameras: int = CAMERAS) -> Figures:
    """Start a fleet, let a fault happen, and return what the readers have seen. Raises `RunFailedError`."""
    from benchmarks.fleet.local_fleet import local_fleet  # here, because it needs Ray

    sources = {f"camera-{number:02}": f"pattern:320x180@{FPS:g}" for number in range(cameras)}
    async with local_fleet(NODES, sources, FAULTS[name].storage) as fleet:
        endpoints = [engine["address"]["endpoint"] for engine in (await fleet.status())["engines"]]
        async with fleet_results(fleet.directory) as handed, raw_results(endpoints) as wire:

            async def seen() -> bool:
                return {row.camera for row in handed} >= sources.keys()

            async def moved() -> bool:
                return {row.camera for row in handed if row.generation > before.get(row.camera, 0)} >= injected.touched

            await fleet.until("results of all cameras", seen, 30)
            await asyncio.sleep(BEFORE_S)
            before = {row.camera: row.generation for row in handed}
            injected = await FAULTS[name].happens(fleet)
            await fleet.until("all cameras live elsewhere", moved, RECOVERED_WITHIN_S)
            await asyncio.sleep(AFTER_S)
            missing = len(sources.keys() - (await fleet.cameras()).keys())
        return figures(injected, before, handed, wire, missing)


def figures(
    injected: Injected, before: Mapping[str, int], handed: Sequence[Row], wire: Sequence[Row], missing: int
) -> Figures:
    """Return the figures of a run. `before`: the generations at the fault."""
    times: defaultdict[str, list[int]] = defaultdict(list)
    first: dict[str, int] = {}
    for row in handed:
        if row.at_ns >= injected.at_ns - 1_000_000_000:
            times[row.camera].append(row.at_ns)
        if row.generation > before.get(row.camera, 0):
            first.setdefault(row.camera, row.at_ns)
    silences = {
        camera: max((later - one for one, later in pairwise(at)), default=0) / 1e9 for camera, at in times.items()
    }
    touched = injected.touched
    return Figures(
        max(((first[camera] - injected.at_ns) / 1e9 for camera in touched if camera in first), default=0.0),
        max((silence for camera, silence in silences.items() if camera in touched), default=0.0),
        max((silence for camera, silence in silences.items() if camera not in touched), default=0.0),
        injected.control_s,
        len((first.keys() & before.keys()) - touched),
        _stale(wire),
        _stale(handed),
        _uncounted(handed),
        missing,
    )


def _stale(rows: Sequence[Row]) -> int:
    highest: defaultdict[str, int] = defaultdict(int)
    stale = 0
    for row in rows:
        stale += row.generation < highest[row.camera]
        highest[row.camera] = max(row.generation, highest[row.camera])
    return stale


def _uncounted(rows: Sequence[Row]) -> int:
    last: dict[tuple[str, str, int], int] = {}
    missing = 0
    for row in rows:
        key = row.camera, row.run, row.epoch
        missing += max(0, row.seq - last.get(key, row.seq) - 1)
        last[key] = row.seq
    return missing


def goals(name: str, measured: Sequence[Figures]) -> list[Goal]:
    """Return what is aimed at for a fault; with fewer than nine runs, nothing is resolved."""
    fault = FAULTS[name]
    none = {
        "no older generation handed out": [one.stale_handed_out for one in measured],
        "no result lost without being counted": [one.uncounted for one in measured],
        "no camera lost": [one.missing_cameras for one in measured],
    }
    within = {
        "untouched cameras silent": (0.3, [one.other_silence_s for one in measured]),
        "live elsewhere": (fault.live_s, [one.live_s for one in measured]),
        "each camera silent": (fault.silence_s, [one.touched_silence_s for one in measured]),
        "answers": (fault.control_s, [one.control_s or 0.0 for one in measured]),
    }
    return [
        Goal(f"{name}: {text}", f"{sum(counts)} in {len(counts)} runs", stats.all_zero(counts))
        for text, counts in none.items()
    ] + [
        Goal(f"{name}: {text} within {limit_s:g} s", f"{value} s", stats.at_most(value, limit_s))
        for text, (limit_s, values) in within.items()
        if limit_s is not None and (value := stats.estimate(values))
    ]


def fleet(
    fault: Annotated[list[str] | None, typer.Option(help=f"Only these: {', '.join(FAULTS)}.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs, each with a new fleet; 9 or more for conclusions.")] = 9,
    json: JsonOption = None,
) -> None:
    """Faults in a fleet on this machine, with Ray: time until cameras are live, silence, lost and stale results."""
    if find_spec("ray") is None:
        raise RunFailedError('a fleet needs Ray: pip install "partstream[fleet]"')
    console, progress = consoles()
    names = list(dict.fromkeys(fault or FAULTS))
    if unknown := [name for name in names if name not in FAULTS]:
        raise typer.BadParameter(f"no such fault: {unknown[0]}; there are {', '.join(FAULTS)}")
    host = machine.describe()
    file = json or RESULTS / f"fleet{f'-{names[0]}' if len(names) == 1 else ''}.json"
    content: dict[str, Any] = {"nodes": NODES, "cameras": CAMERAS, "faults": {}}
    found: list[Goal] = []
    for name in names:
        measured, failures = list[Figures](), list[str]()
        for number in range(1, runs + 1):
            try:
                measured.append(asyncio.run(run(name)))
                progress.print(f"{name}, run {number} of {runs}: {measured[-1]}", markup=False)
            except RunFailedError as error:
                failures.append(str(error))
                progress.print(f"{name}, run {number} of {runs} failed: {error}", markup=False)
            content["faults"][name] = {"runs": [asdict(one) for one in measured], "failures": failures}
            write_json(file, with_header("fleet", host, content))
        if measured:
            found += goals(name, measured)
    if not found:
        raise RunFailedError("no run succeeded")
    print_goals(found, console)
    print_machine(host, console)
    console.print(f"written to {file}")
