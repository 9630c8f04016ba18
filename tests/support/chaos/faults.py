"""The faults: how each begins and ends. After its end all must be well again; the runner waits for that."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from support.chaos.cameras import STARTS_WITHIN_S, ChaosCamera
from support.chaos.garbage import throw, throw_datagrams, udp_ports
from support.chaos.pacing import now, pause, within
from support.chaos.plan import Fault
from support.chaos.processes import Program
from support.chaos.stand import Stand
from support.rtsp_servers.server_process import listens

LONGEST_STEP_S = 7200.0
CONNECTIONS = 40
"""Connections with garbage a round."""
STALLED = 8
PROBES = 5
SPARE_DESCRIPTORS = (0, 1, 2, 5)
FILE_SIZES = (0, 4096, 100_000)

End = Callable[[], Awaitable[float | None]]
"""Ends a fault. Returns the time at which it was over, if later than the call: a camera takes time to start."""


async def begin(stand: Stand, fault: Fault) -> tuple[str, End]:
    """Begin a fault, and return its target's name and what ends it."""
    rng = random.Random(fault.target)
    kind = fault.kind
    if kind.startswith(("camera", "network")):
        camera = stand.spare if kind == "camera added" else _untroubled(stand, fault)
        camera.troubled = True
        end = await _CAMERA_FAULTS[kind](stand, camera, fault, rng)

        async def end_trouble() -> float | None:
            over_s = await end()
            camera.troubled = False
            return over_s

        return camera.name, end_trouble
    if kind.startswith(("subscriber", "archive", "notify")):
        who, what = kind.split()
        program: Program = {
            "subscriber": stand.subscribers[fault.target % len(stand.subscribers)],
            "archive": stand.archive,
            "notify": stand.notify,
        }[who]
        return program.name, await (_killed(program) if what == "killed" else _stopped(program))
    return kind.split()[0], await _OTHERS[kind](stand, fault, rng)


def _untroubled(stand: Stand, fault: Fault) -> ChaosCamera:
    """Return the fault's camera, or the next one that has no other fault now."""
    first = fault.target % len(stand.cameras)
    turned = stand.cameras[first:] + stand.cameras[:first]
    return next((camera for camera in turned if not camera.troubled), turned[0])


# -- programs --------------------------------------------------------------------------------------------------------


async def _killed(program: Program) -> End:
    program.kill()

    async def end() -> None:
        program.start()

    return end


async def _stopped(program: Program) -> End:
    program.suspend()

    async def end() -> None:
        program.resume()

    return end


async def _engine_stopped(stand: Stand, fault: Fault, rng: random.Random) -> End:
    return await _stopped(stand.engine)


async def _engine_killed(stand: Stand, fault: Fault, rng: random.Random) -> End:
    stand.killed_s.append(now())
    stand.engine.kill()
    stand.ledger.forgive_actions()

    async def end() -> None:
        stand.ledger.forgive_actions()
        await _start_engine(stand)

    return end


async def _engine_restarted(stand: Stand, fault: Fault, rng: random.Random) -> End:
    await _stop_engine(stand)

    async def end() -> None:
        await _start_engine(stand)

    return end


async def _stop_engine(stand: Stand) -> None:
    """Stop the engine in order, and check how it ended."""
    stand.killed_s.append(now())
    took = await stand.engine.terminate()
    stand.journal.write("engine stopped", seconds=None if took is None else round(took, 2), code=stand.engine.ended)
    if took is None or stand.engine.ended != 143:
        stand.journal.violation("programs", error="SIGTERM did not end the engine in order", code=stand.engine.ended)


async def _start_engine(stand: Stand) -> None:
    stand.engine.start()
    begun = now()

    async def answers() -> bool:
        return (await stand.ask("GET", "/healthz"))[0] == 200

    await within(STARTS_WITHIN_S, answers)
    stand.journal.write("engine started", seconds=round(now() - begun, 1))


# -- the engine's surroundings ---------------------------------------------------------------------------------------


async def _disk_full(stand: Stand, fault: Fault, rng: random.Random) -> End:
    await asyncio.to_thread(stand.disk.fill)

    async def end() -> None:
        stand.disk.clear()

    return end


async def _file_size_limited(stand: Stand, fault: Fault, rng: random.Random) -> End:
    program = (stand.engine, stand.archive, stand.notify)[fault.target % 3]
    program.limit(resource.RLIMIT_FSIZE, rng.choice(FILE_SIZES))
    stand.journal.write("limited", program=program.name)
    stand.viewers.excused = True

    async def end() -> None:
        program.limit(resource.RLIMIT_FSIZE, None)
        stand.viewers.excused = False

    return end


async def _descriptors_full(stand: Stand, fault: Fault, rng: random.Random) -> End:
    engine = stand.engine
    before = engine.soft_limit(resource.RLIMIT_NOFILE)
    engine.limit(resource.RLIMIT_NOFILE, engine.descriptors() + rng.choice(SPARE_DESCRIPTORS))
    stand.viewers.excused = True
    for camera in stand.cameras[: 1 + fault.target % 2]:  # these must connect again, if they can
        if fault.amount < 0.5:
            camera.cut()
            camera.repair()
    asking = asyncio.gather(*(stand.ask("GET", "/api/v1/cameras") for _ in range(PROBES)))

    async def end() -> None:
        engine.limit(resource.RLIMIT_NOFILE, before)
        stand.viewers.excused = False
        await asking

    return end


async def _ports_garbage(stand: Stand, fault: Fault, rng: random.Random) -> End:
    over = asyncio.Event()

    async def throw_until_over() -> int:
        accepted = 0
        while not over.is_set():
            accepted += await throw(stand.ports, rng, CONNECTIONS)
            throw_datagrams(udp_ports(stand.engine.pid), rng, CONNECTIONS)
            await pause(1.0)
        return accepted

    throwing = asyncio.create_task(throw_until_over())

    async def end() -> None:
        over.set()
        stand.journal.write("garbage", connections=await throwing)

    return end


async def _webhook_down(stand: Stand, fault: Fault, rng: random.Random) -> End:
    if fault.amount < 0.3:
        await stand.webhook.stop()
    stand.webhook_down = True

    async def end() -> None:
        stand.webhook_down = False
        if fault.amount < 0.3:
            await stand.webhook.start()

    return end


async def _viewers_stalled(stand: Stand, fault: Fault, rng: random.Random) -> End:
    stand.viewers.stalled.set()
    writers: list[asyncio.StreamWriter] = []
    for _ in range(STALLED):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", stand.http)
            path = rng.choice(("/api/v1/events", f"/api/v1/cameras/{stand.cameras[0].name}/pictures"))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            writer.transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]
            writers.append(writer)

    async def end() -> None:
        stand.viewers.stalled.clear()
        for writer in writers:
            writer.transport.abort()

    return end


# -- cameras ---------------------------------------------------------------------------------------------------------


async def _camera_killed(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    camera.sends = False
    camera.program.kill()

    async def end() -> float:
        camera.program.start()
        await within(STARTS_WITHIN_S, lambda: listens(camera.port))
        camera.sends = True
        return now()

    return end


async def _camera_stopped(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    camera.sends = False
    camera.program.suspend()

    async def end() -> None:
        camera.program.resume()
        camera.sends = True

    return end


async def _clock_stepped(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    seconds = rng.choice((-1, 1)) * LONGEST_STEP_S**fault.amount
    camera.program.tell(f"clock {seconds:.3f}")
    stand.journal.write("clock", camera=camera.name, seconds=round(seconds, 3))

    async def end() -> None:
        camera.program.tell("clock 0")

    return end


async def _size_changed(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    camera.program.tell(f"footage {1 + fault.target % 2}")

    async def end() -> None:
        camera.program.tell("footage 0")

    return end


async def _camera_garbage(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    camera.sends = False
    camera.write_garbage(rng)

    async def end() -> None:
        camera.write_garbage(rng)
        camera.repair()
        camera.sends = True

    return end


async def _network_loss(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    camera.worsen(fault.amount)

    async def end() -> None:
        camera.repair()

    return end


async def _network_cut(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    camera.sends = False
    camera.cut()

    async def end() -> None:
        camera.repair()
        camera.sends = True

    return end


async def _camera_removed(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    await _until_done(stand, lambda: stand.delete(camera), camera)
    camera.wanted = False

    async def end() -> None:
        await _until_done(stand, lambda: stand.put(camera), camera)
        camera.wanted = True

    return end


async def _camera_added(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    await _until_done(stand, lambda: stand.put(camera), camera)
    camera.wanted = True

    async def end() -> None:
        await _until_done(stand, lambda: stand.delete(camera), camera)
        camera.wanted = False

    return end


async def _camera_changed(stand: Stand, camera: ChaosCamera, fault: Fault, rng: random.Random) -> End:
    changed: dict[str, Any] = rng.choice(({"max_fps": 2.0}, {"zones": {}}, {"ring_slots": 4}, {"privacy": "off"}))
    await _until_done(stand, lambda: stand.put(camera, **changed), camera)
    stand.journal.write("changed", camera=camera.name, settings=changed)

    async def end() -> None:
        await _until_done(stand, lambda: stand.put(camera), camera)

    return end


async def _until_done(stand: Stand, change: Callable[[], Awaitable[bool]], camera: ChaosCamera) -> None:
    """Repeat a change until the engine accepts it."""
    if await within(stand.patience_s, change) is None:
        stand.journal.violation("control", error="the engine did not accept a change", camera=camera.name)


_CAMERA_FAULTS: dict[str, Callable[[Stand, ChaosCamera, Fault, random.Random], Awaitable[End]]] = {
    "camera killed": _camera_killed,
    "camera stopped": _camera_stopped,
    "camera clock stepped": _clock_stepped,
    "camera size changed": _size_changed,
    "camera garbage": _camera_garbage,
    "network loss": _network_loss,
    "network cut": _network_cut,
    "camera removed": _camera_removed,
    "camera added": _camera_added,
    "camera changed": _camera_changed,
}
_OTHERS: dict[str, Callable[[Stand, Fault, random.Random], Awaitable[End]]] = {
    "engine stopped": _engine_stopped,
    "engine killed": _engine_killed,
    "engine restarted": _engine_restarted,
    "disk full": _disk_full,
    "file size limited": _file_size_limited,
    "descriptors full": _descriptors_full,
    "ports garbage": _ports_garbage,
    "webhook down": _webhook_down,
    "viewers stalled": _viewers_stalled,
}
