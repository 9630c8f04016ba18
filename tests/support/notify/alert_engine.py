"""An engine as notify sees it: the real publisher with replay, and alerts that a test begins and clears."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from stream.incidents.store import IncidentStore
from stream.messaging.publisher import MessageStore, Publisher
from stream.notify.notifier import Notifier
from stream.notify.notify_config import NotifyConfig
from stream.results import Alert
from stream.settings.engine import PublishConfig
from support.engines import wire_messages
from support.incidents import opened
from support.notify.fed_alerts import alert, stats
from support.ports import reserved_port
from telemetry.observer import Observer


class AlertEngine:
    """Publishes statistics, and the alerts of cameras. It may be restarted at the same address.

    `incidents` is the folder in which it keeps alerts, unless `store` keeps them; None: it keeps none.
    """

    def __init__(self, *cameras: str, incidents: Path | None = None, store: MessageStore | None = None) -> None:
        self.cameras = cameras or ("door",)
        self.endpoint = f"tcp://127.0.0.1:{reserved_port()}"
        self.replay = f"tcp://127.0.0.1:{reserved_port()}"
        self.open: dict[str, Alert] = {}
        self._count = 0
        self._ids = ""
        self.run = ""
        self.store: IncidentStore | None = None
        self._incidents = incidents
        self._store = store
        self._publisher: Publisher | None = None
        self._pace: asyncio.Event = asyncio.Event()

    async def start(self) -> None:
        self.run = run = secrets.token_hex(16)
        self._ids = run[:8]
        config = PublishConfig.model_validate({"endpoint": self.endpoint, "replay": self.replay})
        self._publisher = Publisher(config, run, Observer())
        if self._incidents is not None:
            self.store = opened(self._incidents)
        if (store := self.store or self._store) is not None:
            self._publisher.keep_in(store)
        await self._publisher.start()
        for camera in self.cameras:
            self.status(camera)
        self.statistics()

    async def stop(self) -> None:
        if self._publisher is not None:
            await self._publisher.stop()
            self._publisher = None
        if self.store is not None:
            self.store.close()
            self.store = None

    @property
    def publisher(self) -> Publisher:
        assert self._publisher is not None
        return self._publisher

    def status(self, camera: str, state: Any = "live") -> None:
        self.publisher.publish(replace(wire_messages.status(camera), state=state))

    def event(self, camera: str, **fields: Any) -> None:
        self.publisher.publish(replace(wire_messages.event(camera), **fields))

    def statistics(self) -> None:
        self.publisher.publish(replace(stats(*self.open, cameras=self.cameras), at_us=_now_us()))

    def begin(self, camera: str = "door", rule: str = "fall", **fields: Any) -> str:
        """Begin an alert, and return its id."""
        self._count += 1
        name = f"{self._ids}-{self._count}"
        self._publish(replace(alert(name, camera=camera, rule=rule, at_us=_now_us()), **fields))
        return name

    def clear(self, name: str) -> None:
        last = self.open.pop(name)
        self._publish(replace(last, state="cleared", clear_reason="over", capture_us=_now_us()))

    def crash(self) -> None:
        """Forget what is open, as an engine that is killed and has no file of open alerts."""
        self.open.clear()

    def _publish(self, message: Alert) -> None:
        if message.state != "cleared":
            self.open[message.alert] = message
        self.publisher.publish(replace(message))


def settings(
    engine: AlertEngine, folder: Path, targets: dict[str, Any], api: dict[str, Any] | None = None, **more: Any
) -> NotifyConfig:
    """Return notify's configuration for this engine; `api` has further settings of `engine`."""
    reached = {"endpoint": engine.endpoint, "replay": engine.replay, **(api or {})}
    return NotifyConfig.model_validate(
        {"engine": reached, "ledger": str(folder / "notify.db"), "metrics": None, "targets": targets, **more}
    )


@asynccontextmanager
async def notifying(config: NotifyConfig) -> AsyncIterator[Notifier]:
    """Run notify in this process."""
    notifier = Notifier(config)
    task = asyncio.create_task(notifier.run())
    try:
        yield notifier
    finally:
        failed = task.done()
        task.cancel()
        if failed:
            await task
        with suppress(asyncio.CancelledError):
            await task


def open_alerts(notifier: Notifier) -> set[str]:
    """Return the alerts that are open for notify."""
    return {row.id for row in notifier.intake.ledger.open_alerts()}


def _now_us() -> int:
    return time.time_ns() // 1000
