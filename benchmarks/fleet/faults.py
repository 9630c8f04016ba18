"""Faults in a fleet on one machine: how long cameras are away, what is lost, and what is stale.

Two readers record every result: our own subscriber, and a raw one at each engine's socket.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
import zmq
import zmq.asyncio

from benchmarks import machine, stats
from benchmarks.commands.options import RESULTS, JsonOption, consoles, with_header
from benchmarks.report import print_goals, print_machine, write_json
from benchmarks.rounds import Goal, within
from benchmarks.run_once import RunFailedError
from stream.subscriber import subscribe

if TYPE_CHECKING:
    from benchmarks.fleet.local_fleet import LocalFleet

NODES, CAMERAS = 3, 12
PAUSED_S = 10.0
AWAY_S = 120.0
FPS = 10.0
BEFORE_S, AFTER_S = 2.0, 3.0
RECOVERED_WITHIN_S = 60.0
OTHERS_SILENT_S = 0.3
"""Goal for cameras that do not have to move."""


class Row(msgspec.Struct):
    """The fields of a result that are needed, and when it was received, monotonic ns."""

    camera: str
    run: str
    epoch: int
    seq: int
    generation: int = 0
    at_ns: int = 0


@asynccontextmanager
async def reading(results: AsyncIterable[Row]) -> AsyncGenerator[list[Row]]:
    """Read results in the background. Yields those so far; raises what has ended them."""
    rows: list[Row] = []

    async def read() -> None:
        async for row in results:
            rows.append(row)  # noqa: PERF401 - each as it comes

    task = asyncio.create_task(read(), name="reader")
    try:
        yield rows
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def raw_results(endpoints: Sequence[str]) -> AsyncGenerator[Row]:
    """Receive what the engines at `endpoints` publish, old generations too."""
    decode = msgspec.json.Decoder(Row).decode
    with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as reader:
        for option, value in ((zmq.RCVHWM, 0), (zmq.RECONNECT_IVL, 20), (zmq.RECONNECT_IVL_MAX, 100)):
            reader.setsockopt(option, value)
        reader.subscribe(b"results/v1/")
        for endpoint in endpoints:
            reader.connect(endpoint)
        while True:
            row = decode((await reader.recv_multipart())[-1])
            row.at_ns = time.monotonic_ns()
            yield row


async def fleet_results(directory: str) -> AsyncGenerator[Row]:
    """Read all cameras with `subscribe("fleet://…")`."""
    async with subscribe(f"fleet://{directory}") as results:
        async for one in results:
            yield Row(one.camera, one.run, one.epoch, one.seq, one.generation or 0, time.monotonic_ns())


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
    """What can happen. `goals`: by figure, in seconds. `storage`: of Ray's head; without, all nodes end with it."""

    happens: Callable[[LocalFleet], Awaitable[Injected]]
    goals: Mapping[str, float]
    storage: str | None = None


FAULTS = {
    "engine-killed": Fault(engine_killed, {"live_s": 3}),
    "node-killed": Fault(node_killed, {"live_s": 10}),
    "node-paused": Fault(node_paused, {"live_s": 6}),
    "controller-killed": Fault(controller_killed, {"control_s": 5}),
    "drain": Fault(drain, {"touched_silence_s": 2}),
    "head-away-redis": Fault(head_away, {"control_s": 30}, "redis"),
    "head-away-rocksdb": Fault(head_away, {"control_s": 30}, "rocksdb"),
}
ALL_ZERO = {
    "stale_handed_out": "no older generation handed out",
    "uncounted": "no result lost without being counted",
    "missing_cameras": "no camera lost",
}
WITHIN = {
    "other_silence_s": "untouched cameras silent",
    "live_s": "live elsewhere",
    "touched_silence_s": "each camera silent",
    "control_s": "answers",
}


async def run(name: str, cameras: int = CAMERAS) -> Figures:
    """Start a fleet, let a fault happen, and return what the readers have seen. Raises `RunFailedError`."""
    from benchmarks.fleet.local_fleet import local_fleet  # here, because it needs Ray

    sources = {f"camera-{number:02}": f"pattern:320x180@{FPS:g}" for number in range(cameras)}
    async with local_fleet(NODES, sources, FAULTS[name].storage) as fleet:
        endpoints = [engine["address"]["endpoint"] for engine in (await fleet.status())["engines"]]
        async with reading(fleet_results(fleet.directory)) as handed, reading(raw_results(endpoints)) as wire:

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
    moved: dict[str, float] = {}
    for row in handed:
        if row.at_ns >= injected.at_ns - 1_000_000_000:
            times[row.camera].append(row.at_ns)
        if row.generation > before.get(row.camera, 0):
            moved.setdefault(row.camera, (row.at_ns - injected.at_ns) / 1e9)

    def silence(cameras: set[str]) -> float:
        return max((later - one for camera in cameras for one, later in pairwise(times[camera])), default=0) / 1e9

    touched = injected.touched
    return Figures(
        max((moved[camera] for camera in touched & moved.keys()), default=0.0),
        silence(touched),
        silence(times.keys() - touched),
        injected.control_s,
        len((moved.keys() & before.keys()) - touched),
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
    found: list[Goal] = []
    for figure, text in ALL_ZERO.items():
        counts = [getattr(one, figure) for one in measured]
        found.append(Goal(f"{name}: {text}", f"{sum(counts)} in {len(counts)} runs", stats.all_zero(counts)))
    for figure, limit_s in {"other_silence_s": OTHERS_SILENT_S, **FAULTS[name].goals}.items():
        values = [getattr(one, figure) for one in measured]
        found.append(within(f"{name}: {WITHIN[figure]} within {limit_s:g} s", values, limit_s))
    return found


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
                failures.append(str(error).rstrip().rpartition("\n")[2])
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
