"""A placement that a test drives event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fleet.placement.commands import Announce, Assign, Command, Drained, EngineLost, Release
from fleet.placement.events import CameraWanted, EngineRenewed, Event, Measured, Tick, Wish
from fleet.placement.placement import Placement
from fleet.placement.records import Remembered
from fleet.placement.settings import PlacementSettings
from stream.membership.protocol import EngineReport
from stream.results import EngineAddress

FLOOR = 1_000
TICK_S = 0.25


class Driver:
    """A placement with its clock, and what its commands come to."""

    def __init__(
        self,
        settings: PlacementSettings | None = None,
        remembered: Sequence[Remembered] = (),
        settle_s: float | None = 0,
        floor: int = FLOOR,
    ) -> None:
        self.settings = settings or PlacementSettings()
        self.now_s = 100.0
        self.placement = Placement(
            self.settings, remembered, generation_floor=floor, now_s=self.now_s, settle_s=settle_s
        )
        self.held = False
        """Whether decisions cannot be written."""
        self.engines: dict[str, EngineRenewed] = {}
        self.told: dict[str, dict[str, int]] = {}
        """The cameras that each engine is to have, with their generations."""
        self.announced: dict[str, Announce] = {}
        self.all: list[Command] = []
        self.step(Tick())

    def step(self, event: Event) -> list[Command]:
        commands = self.placement.step(event, self.now_s)
        self.all += commands
        for command in commands:
            match command:
                case Assign():
                    self.told.setdefault(command.engine, {})[command.camera] = command.generation
                case Release():
                    had = self.told.get(command.engine, {})
                    if had.get(command.camera, command.generation + 1) <= command.generation:
                        del had[command.camera]
                case EngineLost():
                    self.told.pop(command.engine, None)
                case Announce():
                    self.announced[command.camera] = command
                case Drained():
                    pass
        return commands

    def join(
        self, *names: str, node: str = "", run: str = "a", capacity: float = 100.0, max_cameras: int = 64
    ) -> list[Command]:
        commands: list[Command] = []
        for name in names:
            address = EngineAddress(name, node or f"{name}-node", run, f"tcp://{name}:1", f"tcp://{name}:2")
            self.engines[name] = EngineRenewed(address, EngineReport(capacity, max_cameras))
            commands += self.step(replace(self.engines[name], cameras={}))
        return commands

    def add(self, *cameras: str, wish: Wish | None = None) -> list[Command]:
        return [command for camera in cameras for command in self.step(CameraWanted(camera, wish or Wish()))]

    def report(self, engine: str, cameras: Mapping[str, Measured]) -> list[Command]:
        return self.step(replace(self.engines[engine], cameras=cameras))

    def live(self, *engines: str) -> list[Command]:
        """Let engines report as live all that they are to have."""
        return [
            command
            for engine in engines or tuple(self.engines)
            for command in self.report(
                engine, {camera: Measured(given, True) for camera, given in self.told.get(engine, {}).items()}
            )
        ]

    def elapse(self, seconds: float, *silent: str) -> list[Command]:
        """Let time pass, in which all engines but the silent renew their leases."""
        commands: list[Command] = []
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += TICK_S
            for name, renewal in self.engines.items():
                if name not in silent:
                    commands += self.step(renewal)
            commands += self.step(Tick(held=self.held))
        return commands

    def place_of(self, camera: str) -> str | None:
        return self.placement.cameras[camera].engine

    def counts(self) -> dict[str, int]:
        return {name: engine.cameras for name, engine in sorted(self.placement.engines.items())}


def of(kind: type[Command], commands: Sequence[Command]) -> list[Command]:
    return [command for command in commands if isinstance(command, kind)]
