"""Readers of a fleet with a killed engine, and the command line."""

from __future__ import annotations

import asyncio
import json
import sys

from stream.results import Frame
from stream.subscriber import Moved, subscribe
from support.fleet.published_fleet import directory, engine, engine_process
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
                of_yard = south.frames("yard", 1, 20)
                process.kill()
                for camera in ("door", "hall"):
                    fleet.place(camera, 2, south)
                last = [south.frames(camera, 2, 2)[-1] for camera in ("door", "hall")]
                of_yard += south.frames("yard", 1, 20)
                await until(lambda: [seen["door"][-1], seen["hall"][-1]] == last and len(seen["yard"]) >= 40)
                reading.cancel()
    assert sorted(moves, key=lambda one: one.camera) == [Moved("door", 1, 2), Moved("hall", 1, 2)]
    for camera in ("door", "hall"):
        numbers = [(frame.generation, frame.seq) for frame in seen[camera]]
        first, old = numbers[0][1], len(numbers) - 2
        assert numbers == [*((1, first + count) for count in range(old)), (2, 0), (2, 1)]
    assert seen["yard"] == of_yard
    assert results.counts.gaps == 0


async def test_the_subscribe_command_reads_a_fleet() -> None:
    command = (sys.executable, "run_stream.py", "subscribe")
    async with directory() as fleet, engine("north") as north:
        fleet.place("door", 1, north)
        process = await asyncio.create_subprocess_exec(*command, fleet.fleet, "--raw", stdout=asyncio.subprocess.PIPE)
        try:
            await until(lambda: north.publisher.subscriptions > 0)
            sent = north.frame("door", 1)
            assert process.stdout is not None
            while json.loads(await process.stdout.readline()).get("run") != sent.run:
                pass  # the places
        finally:
            process.kill()
            await process.wait()
