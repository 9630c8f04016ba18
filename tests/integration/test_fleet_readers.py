"""Readers of a fleet whose engines are killed or encrypt, and the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import pytest

from commands.keys import make_keys
from stream.fleet_directory import engine_link
from stream.messaging.curve.keys import read_public
from stream.results import Frame
from stream.subscriber import Moved, subscribe
from support.fleet.engine_process import engine_process
from support.fleet.published_fleet import directory, engine
from support.waiting import until


async def test_cameras_of_a_killed_engine_are_read_from_another_and_the_others_miss_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_link, "ANSWER_S", 0.05)
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
    assert sorted(moves, key=lambda one: one.camera) == [
        Moved("door", 1, 2, lost=None),
        Moved("hall", 1, 2, lost=None),
    ]
    for camera in ("door", "hall"):
        generations = [frame.generation or 0 for frame in seen[camera]]
        assert generations == sorted(generations)
        assert generations.count(2) == 2
        old = [frame.seq for frame in seen[camera] if frame.generation == 1]
        assert old == list(range(old[0], old[0] + len(old)))
    assert seen["yard"] == [*before, *during]
    assert results.counts.gaps == 0


async def test_keys_of_the_engines_come_from_the_directory(tmp_path: Path) -> None:
    make_keys(tmp_path, ["wall"])
    curve = {
        "curve_secret_key_file": str(tmp_path / "server.key_secret"),
        "curve_allowed_keys": str(tmp_path / "allowed"),
    }
    server, own = tmp_path / "server.key", tmp_path / "clients" / "wall.key_secret"
    async with directory(**curve) as fleet, engine("north", **curve) as north:
        fleet.place("door", 1, msgspec.structs.replace(north.address, key=read_public(server)))
        async with subscribe(fleet.fleet, server_key=str(server), key_file=own) as results:
            await until(lambda: north.publisher.subscriptions > 0)
            sent = north.frame("door", 1)
            assert await anext(results) == sent


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
