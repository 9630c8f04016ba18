"""An engine that obeys the protocol of a fleet, without sockets, cameras or a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fleet.placement.events import EngineRenewed, Measured
from stream.membership.protocol import EngineReport, Fence
from stream.results import EngineAddress


@dataclass(frozen=True, slots=True)
class Asked:
    """A renewal that was sent: its number, and the time before it was sent, from which the lease counts."""

    number: int
    at_s: float


@dataclass(frozen=True, slots=True)
class SimulatedGrant:
    """The coordinator to an engine. `generations`: all cameras that it is to have; None: as before."""

    answers: Asked
    ttl_s: float
    generations: Mapping[str, int] | None
    wants_cameras: bool = False


@dataclass(slots=True)
class Running:
    """A camera on a simulated engine."""

    generation: int
    live_s: float
    """When its first result comes."""


class SimulatedEngine:
    """An engine.

    `starts_in_s` gives the time that a camera needs until it is live there, `pixels` its cost in megapixels per
    second, and `refuses` why the engine cannot take it, if it cannot.
    """

    def __init__(
        self,
        address: EngineAddress,
        report: EngineReport,
        *,
        starts_in_s: Callable[[str], float],
        pixels: Callable[[str], float],
        refuses: Callable[[str], str] = lambda camera: "",
        fence: Fence = "soft",
    ) -> None:
        self.address, self.report, self.fence = address, report, fence
        self.stopping = False
        self.running: dict[str, Running] = {}
        self.refused: dict[str, int] = {}
        """The cameras that it could not take, with the generation that it was given."""
        self.lease_s = float("-inf")
        """When its lease ends."""
        self._starts_in_s, self._pixels, self._refuses = starts_in_s, pixels, refuses
        self._renewals = 0
        self._changed = 0
        """The last renewal before its cameras changed: they are told until a later one is answered."""
        self._tells = True
        self._starting: set[str] = set()

    def renew(self, now_s: float) -> tuple[Asked, EngineRenewed]:
        """Return the next renewal. It has all cameras, until the coordinator has answered one that had them."""
        live = {name for name in self._starting if self.running[name].live_s <= now_s}
        if live:
            self._starting -= live
            self._note_change()
        self._renewals += 1
        cameras = None
        if self._tells:
            cameras = {
                name: Measured(camera.generation, camera.live_s <= now_s, self._pixels(name))
                for name, camera in self.running.items()
            }
            for name, generation in self.refused.items():
                cameras[name] = Measured(generation, False, refused=self._refuses(name))
        return Asked(self._renewals, now_s), EngineRenewed(self.address, self.report, cameras, self.stopping)

    def take(self, grant: SimulatedGrant, now_s: float) -> bool:
        """Take over a grant: give up what it lacks, then prolong the lease. Return whether the cameras changed."""
        if grant.answers.number > self._changed:
            self._tells = False
        changed = grant.generations is not None and self._apply(grant.generations, now_s)
        self.lease_s = max(self.lease_s, grant.answers.at_s + grant.ttl_s)
        if changed or grant.wants_cameras:
            self._note_change()
        return changed

    def tell_again(self) -> None:
        """Tell all cameras with the next renewal, because their measurements are new."""
        self._note_change()

    def holds(self, camera: str, now_s: float) -> bool:
        """Return whether the engine may publish the camera: it has it, and under a strict fence its lease holds."""
        return camera in self.running and (self.fence == "soft" or now_s < self.lease_s)

    def published(self, now_s: float) -> dict[str, int]:
        """Return the generation of every camera whose results the engine publishes now."""
        return {
            name: camera.generation
            for name, camera in self.running.items()
            if camera.live_s <= now_s and self.holds(name, now_s)
        }

    def _apply(self, generations: Mapping[str, int], now_s: float) -> bool:
        before = {name: camera.generation for name, camera in self.running.items()} | self.refused
        if before == generations:
            return False
        for name in [name for name in self.running if name not in generations]:
            del self.running[name]
            self._starting.discard(name)
        self.refused = {name: given for name, given in self.refused.items() if generations.get(name) == given}
        for name, generation in generations.items():
            running = self.running.get(name)
            if running is not None:
                running.generation = generation  # a new epoch, without a new connection
            elif name in self.refused:
                continue
            elif self._refuses(name):
                self.refused[name] = generation
            else:
                self.running[name] = Running(generation, now_s + self._starts_in_s(name))
                self._starting.add(name)
        return True

    def _note_change(self) -> None:
        self._changed, self._tells = self._renewals, True
