"""Readers of a fleet with a killed engine, and the command line."""

from __future__ import annotations

import asyncio
import json
import sys

from stream.results import Frame
from stream.subscriber import Moved, subscribe
from support.fleet.engine_process import engine_process
from support.fleet.published_fleet import directory, engine
from support.waiting import until


async def test_cameras_of_a_killed_engine_are_read_from_another_and_the_others_miss_nothing() -> None:
    moves: list[Moved] = []
    seen: dict[str, list[Frame]] = {"door": [], "hall": [], "yard": []}
    async with directory() as fleet, engine("south") as south:
        with engine_process("door", "hall") as (process, address):
            for camera in ("door", "hall"):
                fleet.place(camera, 1, address)
            fleet.place("yard", 1, south)
            async with subscribe(fleet.fleet, on_moved=moves.append) as results:

                async def read() -> None:
                    async for frame in results:
                        seen[frame.camera].append(frame)

                reading = asyncio.create_task(read())
                await until(lambda: len(seen["door"]) > 20 and len(seen["hall"]) > 20)
                await until(lambda: south.publisher.subscriptions > 0)
                before = south.frames("yard", 1, 20)
                process.kill()
                for camera in ("door", "hall"):
                    fleet.place(camera, 2, south)
                after = [south.frame(camera, 2) for camera in ("door", "hall", "door", "hall")]
                during = south.frames("yard", 1, 20)
                await until(lambda: [seen["door"][-1], seen["hall"][-1]] == after[2:] and len(seen["yard"]) >= 40)
                reading.cancel()
    assert sorted(moves, key=lambda one: one.camera) == [Moved("door", 1, 2), Moved("hall", 1, 2)]
    for camera in ("door", "hall"):
        old, new = ([frame.seq for frame in seen[camera] if frame.generation == number] for number in (1, 2))
        assert old == list(range(old[0], old[0] + len(old)))
        assert [frame.seq for frame in seen[camera]] == [*old, *new]
        assert new == [0, 1]
    assert seen["yard"] == [*before, *during]
    assert results.counts.gaps == 0


async def test_the_subscribe_command_reads_a_fleet() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, south)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "run_stream.py", "subscribe", fleet.fleet, "--raw"), stdout=asyncio.subprocess.PIPE
        )
        try:
            await until(lambda: min(north.publisher.subscriptions, south.publisher.subscriptions) > 0)
            north.frame("door", 1)
            south.frame("yard", 1)
            wanted = {"door", "yard"}
            assert process.stdout is not None
            while wanted:
                message = json.loads(await process.stdout.readline())
                if message["schema"] == "partstream.frame/1":
                    wanted.discard(message["camera"])
        finally:
            process.kill()
            await process.wait()
