"""An engine as a member of a fleet: it takes its cameras from the fleet's controller, and reports to it.

Reports are measured at most once a second, from the counters that the engine keeps anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from msgspec.structs import replace

from ring_buffers.frame_ring import FrameRing
from stream.cameras.assigned_cameras import AssignedCameras
from stream.cameras.camera import Camera
from stream.cameras.registry import CameraRegistry
from stream.config import Config
from stream.inference.load_watch import LoadWatch
from stream.membership.addresses import public, public_http
from stream.membership.messages import Assignment, CameraReport, EngineReport, EngineStatus
from stream.membership.passes import Passes
from stream.messaging.publisher import Publisher
from stream.results import EngineAddress
from telemetry.health import missed_frames
from telemetry.tally import quantile

MEASURE_EVERY_S = 1.0
LEAST_BUSY = 0.05
"""Share of the time in which the model worked, below which its capacity is not measured: the estimate would be at least
twenty times the present load."""
LONGEST_MESSAGE = 300
"""Characters of what ended a camera."""
SILENT_S = 30.0
"""Time without a question of the controller that counts as a problem. The cameras go on."""
LEARNED = 0.2
"""Weight of a new measurement of the capacity."""

Cumulative = Sequence[tuple[float, int]]


class FleetReport:
    """Reports of one engine. Runs in the event loop. `first`: what it reports before anything was measured."""

    def __init__(
        self, cameras: CameraRegistry, assigned: AssignedCameras, load: LoadWatch, first: EngineReport
    ) -> None:
        self._cameras = cameras
        self._assigned = assigned
        self._load = load
        self._report = first
        self._measured_capacity: float | None = None
        self._measured_s: float | None = None
        self._busy_s = 0.0
        self._pixels = 0.0
        self._missed: dict[FrameRing, int] = {}
        self._ages: dict[FrameRing, Cumulative] = {}

    def engine(self, now_s: float) -> EngineReport:
        """Return the report of the engine. `now_s` is monotonic."""
        if self._measured_s is None:
            self._measured_s, self._busy_s = now_s, self._load.batches.sum
        elif now_s - self._measured_s >= MEASURE_EVERY_S:
            self._measure(now_s - self._measured_s)
            self._measured_s = now_s
        return self._report

    def cameras(self) -> dict[str, CameraReport]:
        """Return the report of every camera that the engine has, and of every one that it refuses."""
        reports: dict[str, CameraReport] = {}
        for name in self._cameras.configs:
            status = self._cameras.status(name)
            camera = self._cameras.running.get(name)
            pixels, fps = (0.0, 0.0) if camera is None else (_pixels(camera), camera.fps[1])
            # Problems that do not end a camera are left out: their words change with each attempt.
            failed = status.state == "ended" and status.reason not in (None, "disabled")
            reports[name] = CameraReport(
                self._assigned.generations.get(name, 0),
                status.state,
                round(pixels, 1),
                round(fps, 1),
                reason=status.reason or "" if failed else "",
                message=status.message[:LONGEST_MESSAGE] if failed else "",
            )
        return reports | self._assigned.refused

    def _measure(self, seconds: float) -> None:
        busy_s = self._load.batches.sum
        live = [camera for camera in self._cameras.running.values() if camera.ring.policy == "latest"]
        load = self._load.report()
        pixels = sum(map(_pixels, self._cameras.running.values()))
        capacity = self._capacity(
            pixels if self._pixels else 0.0,  # the first second of a camera is not a whole one
            (busy_s - self._busy_s) / seconds,
            eased=load.ease_level > 0 or load.overloaded,
        )
        missed = {camera.ring: missed_frames(camera.ring.counts().dropped) for camera in live}
        ages: dict[FrameRing, Cumulative] = {camera.ring: camera.ages.cumulative() for camera in live}
        ages_s = [quantile(self._ages[ring], now, 0.95) for ring, now in ages.items() if ring in self._ages]
        self._report = replace(
            self._report,
            capacity=round(capacity, 1),
            age_ms=round(max(ages_s, default=0.0) * 1e3, 1),
            dropped=round(sum(count - self._missed.get(ring, count) for ring, count in missed.items()) / seconds, 2),
            overloaded=load.overloaded,
            ease_level=load.ease_level,
            max_ease_level=load.max_ease_level,
        )
        self._busy_s, self._pixels, self._missed, self._ages = busy_s, pixels, missed, ages

    def _capacity(self, pixels: float, busy: float, *, eased: bool) -> float:
        """Return the capacity after a measurement: the load, over the share of the time in which the model worked.

        An engine that gives up quality, or drops frames, has no room: its capacity is the present load at most.
        """
        before = self._measured_capacity
        if busy >= LEAST_BUSY and pixels > 0:
            found = pixels / max(busy, 1.0) if eased else pixels / busy
            self._measured_capacity = found if before is None else before + LEARNED * (found - before)
        return self._report.capacity if self._measured_capacity is None else self._measured_capacity


def _pixels(camera: Camera) -> float:
    """Return the camera's decoded megapixels per second."""
    size = camera.status.size
    return 0.0 if size is None else size[0] * size[1] * camera.fps[0] / 1e6


@dataclass(frozen=True, slots=True)
class Identity:
    """What an engine is in a fleet. `host`: the host in the addresses for readers; None: the bound one.

    `capacity`: megapixels per second, until it has measured this.
    """

    engine: str
    node: str
    host: str | None = None
    capacity: float = 100.0


class FleetMember:
    """Takes the cameras of one engine from its fleet's controller, and reports. Its methods run in the event loop.

    `http` returns the address of the engine's HTTP server, if it has one.
    """

    def __init__(
        self,
        identity: Identity,
        config: Config,
        generations: dict[str, int],
        publisher: Publisher,
        cameras: CameraRegistry,
        load: LoadWatch,
        http: Callable[[], str | None],
    ) -> None:
        self.identity = identity
        self.control_address = ""
        """Where the fleet's cameras are changed; empty if that is not known."""
        self.passes = Passes()
        """Verifies the passes of the fleet's viewers."""
        self._assigned = AssignedCameras(cameras, config, generations)
        first = EngineReport(identity.capacity, config.http.max_cameras, privacy=config.privacy.mode)
        self._report = FleetReport(cameras, self._assigned, load, first)
        self._publisher = publisher
        self._http = http
        self._number = 0
        self._asked_s = time.monotonic()

    async def assign(self, assignment: Assignment) -> None:
        """Have these cameras and no others. A call with a lower number than an earlier one changes nothing."""
        if assignment.number <= self._number:
            return
        self._number = assignment.number
        self.control_address = assignment.http
        self.passes.learn(assignment.key, assignment.origins)
        await self._assigned.apply(assignment.cameras)

    def status(self, controller_ms: float) -> EngineStatus:
        """Return what the engine is doing. `controller_ms`: the controller's monotonic clock."""
        self._asked_s = time.monotonic()
        self.passes.told_time(controller_ms)
        return EngineStatus(self._address, self._report.engine(time.monotonic()), self._report.cameras(), self._number)

    @property
    def problem(self) -> str:
        """What is wrong with the engine's membership, as a sentence; empty if nothing is."""
        silent_s = time.monotonic() - self._asked_s
        return f"the controller has been silent for {silent_s:.0f} s" if silent_s >= SILENT_S else ""

    @cached_property
    def _address(self) -> EngineAddress:
        identity, publisher = self.identity, self._publisher
        endpoint = public(publisher.endpoint, identity.host)
        return EngineAddress(
            engine=identity.engine,
            node=identity.node,
            run=publisher.run,
            endpoint=endpoint,
            replay=public(publisher.replay_endpoint, identity.host),
            http=public_http(self._http(), identity.host, endpoint),
            key=publisher.public_key,
        )
