"""Everything that runs in a chaos run: cameras, the engine, its readers, and what watches them from outside."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from stream.subscriber import KINDS, Kind, subscribe
from support.chaos.cameras import STARTS_WITHIN_S, ChaosCamera, State, states_of
from support.chaos.disk import SmallDisk
from support.chaos.journal import Journal
from support.chaos.judges.ledger import Ledger
from support.chaos.judges.numbering import Numbering
from support.chaos.pacing import now, within
from support.chaos.processes import Program
from support.chaos.viewers import Viewers
from support.notify.webhook_receiver import SECRET, Answer, Receiver
from support.ports import reserved_port
from support.repository import REPOSITORY

RULES = """
rules:
  visitor: {zone: hall, clear_after: 200ms, cooldown: 0s, severity: info}
  down: {action: fall, clear_after: 200ms, cooldown: 0s, severity: critical}
  empty: {zone: hall, people: {at_most: 0}, for: 2s, cooldown: 0s, clear_after: 0s}
"""
ASKS_WITHIN_S = 30.0
PATIENCE_S = 120.0
SUBSCRIBERS = 2
LEAST_FREE = "2MB"


class Stand:
    """`async with Stand(…) as stand`: it all runs, and the cameras of the start are live."""

    def __init__(self, folder: Path, journal: Journal, cameras: int, fps: int, seed: int) -> None:
        self.folder = folder
        self.journal = journal
        self.rng = random.Random(seed)
        self.pub, self.replay, self.http = reserved_port(), reserved_port(), reserved_port()
        self.address = f"http://127.0.0.1:{self.http}"
        self.disk = SmallDisk(folder / "disk")
        self.cameras = [
            ChaosCamera(f"cam{number}", folder, fps, seed * 100 + number, udp=number % 2 == 1)
            for number in range(cameras)
        ]
        self.spare = ChaosCamera("spare", folder, fps, seed * 100 + cameras, udp=False)
        self.spare.wanted = False
        self.webhook = Receiver(self._answers())
        self.webhook_down = False
        self.patience_s = PATIENCE_S
        """Within this time after a fault, all must be well. Generous, because the machine may be busy."""
        self.killed_s: list[float] = []
        """When the engine was killed or stopped."""
        self.ledger = Ledger(journal.violation)
        self.numbering = Numbering(journal.violation)
        self.viewers = Viewers(self.address, [camera.name for camera in self.cameras], journal.violation)
        endpoint, replay = f"tcp://127.0.0.1:{self.pub}", f"tcp://127.0.0.1:{self.replay}"
        self.endpoints = endpoint, replay
        run = ["-m", "support.chaos.programs.engine_process", "run", "--config", str(folder / "engine.yaml")]
        kept = ["--replay", replay, "--out", str(folder / "archive"), "--every", "5", "--least-free", "1MB"]
        command = str(REPOSITORY / "run_stream.py")
        self.engine = Program("engine", run, folder / "engine.log")
        self.archive = Program("archive", [command, "archive", endpoint, *kept], folder / "archive.log")
        self.notify = Program(
            "notify", [command, "notify", "--config", str(folder / "notify.yaml")], folder / "notify.log"
        )
        self.subscribers = [
            Program(
                f"subscriber{number}",
                ["-m", "support.chaos.programs.subscriber_process", endpoint, replay],
                folder / f"subscriber{number}.log",
            )
            for number in range(SUBSCRIBERS)
        ]
        self._reading: asyncio.Task[None] | None = None

    @property
    def programs(self) -> list[Program]:
        """All programs of partstream."""
        return [self.engine, self.archive, self.notify, *self.subscribers]

    @property
    def ports(self) -> list[int]:
        """All ports of the engine."""
        return [self.pub, self.replay, self.http]

    async def __aenter__(self) -> Stand:
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASKS_WITHIN_S))
        await asyncio.gather(*(camera.start() for camera in (*self.cameras, self.spare)))
        self._write_settings()
        await self.webhook.start()
        self._reading = asyncio.create_task(self._read())
        for program in (self.archive, self.notify, *self.subscribers):
            program.start()
        self.engine.start()
        took = await within(STARTS_WITHIN_S, self.all_live)
        if took is None:
            raise RuntimeError(f"not all cameras are live: {await self.states()}, see {self.engine.log}")
        self.journal.write("all live", seconds=round(took, 1))
        self.viewers.start()

    async def __aexit__(self, *_: object) -> None:
        await self.viewers.stop()
        for program in self.programs:
            program.resume()
            program.kill()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self.webhook.stop()
        for camera in (*self.cameras, self.spare):
            await camera.stop()
        await self._session.close()
        self.disk.close()

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Send a request to the engine; status 0: no answer."""
        try:
            async with self._session.request(method, self.address + path, **options) as answer:
                typed = answer.content_type.endswith("json")
                return answer.status, await answer.json(content_type=None) if typed else await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return 0, f"{type(error).__name__}: {error}"

    async def states(self) -> dict[str, State]:
        """Return the states of all cameras; empty if the engine does not answer."""
        status, body = await self.ask("GET", "/api/v1/status")
        return states_of(body["cameras"]) if status == 200 else {}

    async def all_live(self) -> bool:
        """Return whether the engine has the wanted cameras, and all of them that send are live."""
        states = await self.states()
        wanted = [camera for camera in (*self.cameras, self.spare) if camera.wanted]
        return {camera.name for camera in wanted} == states.keys() and all(
            states[camera.name].state == "live" for camera in wanted if camera.sends
        )

    async def sends_again(self, since_s: float) -> bool:
        """Return whether all is live, and a result of each camera was received after an instant."""
        names = [camera.name for camera in (*self.cameras, self.spare) if camera.wanted and camera.sends]
        newer = all(self.ledger.newest_frame_s.get(name, 0.0) > since_s for name in names)
        return newer and await self.all_live()

    async def put(self, camera: ChaosCamera, **changed: Any) -> bool:
        """Have the engine read a camera with its settings and these."""
        status, body = await self.ask("PUT", f"/api/v1/cameras/{camera.name}", json={**camera.settings, **changed})
        return self._accepted("PUT", camera, status, body)

    async def delete(self, camera: ChaosCamera) -> bool:
        """Have the engine forget a camera."""
        status, body = await self.ask("DELETE", f"/api/v1/cameras/{camera.name}")
        return self._accepted("DELETE", camera, status, body)

    def _accepted(self, what: str, camera: ChaosCamera, status: int, body: Any) -> bool:
        if status >= 500 and status not in (503, 507):
            self.journal.violation("http", error=f"{what} {camera.name}: {status}", body=str(body)[:300])
        return 200 <= status < 300

    async def _read(self) -> None:
        """Read everything that is published, undisturbed."""
        kinds: list[Kind] = [kind for kind in KINDS if kind != "directory"]

        def gap(gap: Any) -> None:
            self.numbering.gap(gap)
            self.ledger.gap(gap)
            if gap.missed > gap.replayed:
                lost = {
                    "topic": gap.topic,
                    "epoch": gap.epoch,
                    "first": gap.first_seq,
                    "lost": gap.missed - gap.replayed,
                }
                self.journal.write("the witness lost messages", **lost)

        endpoint, replay = self.endpoints
        async for message in subscribe(endpoint, kinds=kinds, replay=replay, on_gap=gap, high_water_mark=100_000):
            self.numbering.take(message)
            self.ledger.take(message, now())

    def _answers(self) -> Iterator[Answer]:
        for number in itertools.count():
            yield ("500", "reset", "lost")[number % 3] if self.webhook_down else "ok"

    def _write_settings(self) -> None:
        folder, disk = self.folder, self.disk.folder
        (folder / "rules.yaml").write_text(RULES)
        kept = {"budget": "10MB", "least_free": LEAST_FREE}
        engine = {
            "cameras": [{"id": camera.name, **camera.settings} for camera in self.cameras],
            "model": {"profile": "free"},
            "publish": {"endpoint": self.endpoints[0], "replay": self.endpoints[1]},
            "http": {"bind": f"127.0.0.1:{self.http}", "requests_per_second": 1000},
            "recording": {"directory": str(disk / "clips"), "seconds_before": 1, "seconds_after": 1, **kept},
            "incidents": {"directory": str(disk / "incidents"), **kept},
            "rules_file": str(folder / "rules.yaml"),
            "alerts_file": str(folder / "open-alerts.jsonl"),
            "state_file": str(folder / "cameras.json"),
        }
        (folder / "engine.yaml").write_text(json.dumps(engine, indent=1))
        secret = folder / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        hook = {"kind": "webhook", "url": self.webhook.url, "secret_files": [str(secret)]}
        notify = {
            "engine": {"endpoint": self.endpoints[0], "replay": self.endpoints[1], "api": self.address},
            "ledger": str(folder / "notify.db"),
            "metrics": None,
            "late_after": "24h",
            "targets": {"hook": {**hook, "states": ["began", "cleared"]}},
        }
        (folder / "notify.yaml").write_text(json.dumps(notify, indent=1))
