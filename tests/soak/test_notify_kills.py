"""`partstream notify` as a process, killed again and again while alerts arrive and the receiver fails at random."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stream.notify.ledger import Ledger
from stream.settings.config_error import ConfigError
from support.notify.alert_engine import AlertEngine
from support.notify.webhook_receiver import hook, receiver
from support.repository import REPOSITORY
from support.waiting import until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
KILLS = 20


async def test_notify_killed_at_random_loses_nothing_and_doubles_nothing_without_a_mark(tmp_path: Path) -> None:
    rng = random.Random(40)
    weights = {"ok": 75, "500": 8, "reset": 8, "lost": 9}
    answers: list[Any] = rng.choices(list(weights), list(weights.values()), k=10_000)
    engine = AlertEngine("door", "yard", "hall")
    wanted: dict[str, list[str]] = {camera: [] for camera in engine.cameras}
    stop = asyncio.Event()
    await engine.start()

    async def raise_alerts() -> None:
        while not stop.is_set():
            if engine.open and rng.random() < 0.5:
                name, alert = rng.choice(list(engine.open.items()))
                wanted[alert.camera].append(f"{name}:cleared")
                engine.clear(name)
            else:
                camera = rng.choice(engine.cameras)
                wanted[camera].append(f"{engine.begin(camera)}:began")
            engine.statistics()
            await _or(stop, rng.uniform(0.05, 0.4))

    async with receiver(*answers) as server:
        config = tmp_path / "notify.yaml"
        reached = {"endpoint": engine.endpoint, "replay": engine.replay}
        settings = {
            "engine": reached,
            "ledger": str(tmp_path / "notify.db"),
            "metrics": None,
            "late_after": "24h",
            "targets": hook(tmp_path, server.url),
        }
        config.write_text(json.dumps(settings))
        process = await _started(config, tmp_path / "output.log")
        await until(lambda: bool(engine.statistics() or _has_read(tmp_path / "notify.db")))
        raising = asyncio.create_task(raise_alerts())
        for _ in range(KILLS):
            posts = len(server.posts)
            await until(lambda posts=posts: len(server.posts) > posts)
            await _or(stop, rng.uniform(0.0, 0.6))
            process.kill()
            await process.wait()
            process = await _started(config, tmp_path / "output.log")
        stop.set()
        await raising
        everything = {name for names in wanted.values() for name in names}
        await until(lambda: {post.id for post in server.taken} == everything)
        process.terminate()
        assert await process.wait() == 143
    await engine.stop()
    for camera, names in wanted.items():
        assert list(dict.fromkeys(post.id for post in server.taken if post.camera == camera)) == names
    unmarked = Counter(post.id for post in server.taken if post.attempt == 1)
    assert max(unmarked.values()) == 1
    ledger = Ledger(tmp_path / "notify.db", locked=False)
    states = Counter(one.state for one in ledger.find(limit=100_000))
    ledger.close()
    repeated = sum(post.attempt > 1 for post in server.taken)
    print(f"{KILLS} kills, {len(everything)} messages, {len(server.taken)} taken, {repeated} of them marked; {states}")


def _has_read(path: Path) -> bool:
    """Return whether notify knows where to continue: before its first start, alerts are not of interest."""
    if not path.is_file():
        return False
    try:
        ledger = Ledger(path, locked=False)
    except ConfigError:
        return False  # it is being made
    try:
        return bool(ledger.positions())
    finally:
        ledger.close()


async def _started(config: Path, output: Path) -> asyncio.subprocess.Process:
    with output.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            str(REPOSITORY / "run_stream.py"),
            "notify",
            "--config",
            str(config),
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])},
        )


async def _or(event: asyncio.Event, seconds: float) -> None:
    """Let time pass between two alerts or before a kill, unless the test ends."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
