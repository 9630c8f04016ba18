"""The parts of an engine that belong to a fleet, put together: leases, assigned cameras, reports and the member."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from stream.cameras.assigned_cameras import AssignedCameras
from stream.cameras.fleet_report import FleetReport
from stream.cameras.registry import CameraRegistry
from stream.config import Config
from stream.inference.load_watch import LoadWatch
from stream.membership.addresses import public, public_http
from stream.membership.lease import Leases
from stream.membership.member import Member
from stream.membership.protocol import CameraReport, EngineReport
from stream.messaging.publisher import Publisher
from stream.results import EngineAddress
from stream.settings.fleet import FleetSettings

LEAVE_WITHIN_S = 1.0
"""Longest time that an engine which is stopped goes on, so that other engines have its cameras first."""


class FleetMembership:
    """Membership of one engine in a fleet. `http` returns the address of its HTTP server, if it has one."""

    def __init__(
        self,
        config: Config,
        settings: FleetSettings,
        leases: Leases,
        publisher: Publisher,
        cameras: CameraRegistry,
        load: LoadWatch,
        http: Callable[[], str | None],
    ) -> None:
        self.engine = settings.engine_name
        """The engine's name."""
        self._settings = settings
        self._publisher = publisher
        self._http = http
        self._address: EngineAddress | None = None
        assigned = AssignedCameras(cameras, config, leases)
        self._report = FleetReport(
            cameras,
            assigned,
            load,
            capacity=settings.capacity,
            max_cameras=config.http.max_cameras,
            privacy=config.privacy.mode,
        )
        self._member = Member(settings, leases, address=self.address, report=self._reports, apply=assigned.apply)
        self._running: asyncio.Task[None] | None = None
        self.changed = self._member.changed
        """To be called when a camera's state has changed."""
        self.passes = self._member.passes
        """Verifies the passes of the fleet's viewers."""

    def read_keys(self) -> None:
        """Read the keys for the connection to the coordinator. Raises `ConfigError`."""
        self._member.start()

    async def run(self) -> None:
        """Be a member until cancelled. The engine's sockets must be bound, and its cameras startable."""
        self._running = asyncio.current_task()
        await self._member.run()

    async def leave(self) -> None:
        """Have the cameras moved to other engines, if the coordinator answers, within `LEAVE_WITHIN_S`."""
        if self._running is not None and not self._running.done():
            await self._member.leave(LEAVE_WITHIN_S)

    @property
    def problem(self) -> str:
        """Why the engine has not joined its fleet since its start; empty if it has."""
        return self._member.contact.problem

    def place_of_change(self) -> str:
        """Return where the engine's cameras are changed, as the end of a sentence."""
        return self._member.control_address or "the fleet's coordinator"

    def address(self) -> EngineAddress:
        """Return where other hosts find the engine."""
        if self._address is None:
            host = self._settings.public_host
            endpoint = public(self._publisher.endpoint, host)
            self._address = EngineAddress(
                engine=self.engine,
                node=self._settings.node_name,
                run=self._publisher.run,
                endpoint=endpoint,
                replay=public(self._publisher.replay_endpoint, host),
                http=public_http(self._http(), host, endpoint),
                key=self._publisher.public_key,
            )
        return self._address

    def _reports(self) -> tuple[EngineReport, dict[str, CameraReport]]:
        return self._report.engine(time.monotonic()), self._report.cameras()
