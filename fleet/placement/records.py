"""What the placement knows of each engine and each camera."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleet.placement.events import Wish
from stream.membership.protocol import EngineReport
from stream.results import EngineAddress


@dataclass(frozen=True, slots=True)
class Remembered:
    """A camera as the coordinator's store has it. `engine` and `run` are where it was placed last."""

    camera: str
    wish: Wish
    generation: int = 0
    engine: str | None = None
    run: str | None = None


@dataclass(slots=True, eq=False)
class EngineRecord:
    """An engine that holds its lease."""

    address: EngineAddress
    report: EngineReport
    heard_s: float
    known: bool = False
    """Whether it has reported its cameras. Before, it gets none."""
    stopping: bool = False
    draining: bool = False
    held: dict[str, CameraRecord] = field(default_factory=dict)
    """The cameras that it is to have."""
    outgoing: int = 0
    """How many of them it only keeps until they are live elsewhere."""
    leaving: dict[str, CameraRecord] = field(default_factory=dict)
    """The cameras that it was told to give up, and which another engine may get only after that."""
    load: float = 0.0
    """Their cost, megapixels per second."""
    entry: int = 0
    """Number of its valid entry in the heap of `Room`."""
    stuck_until_s: float = 0.0
    """When to try again to empty it, after a camera could not be placed elsewhere."""
    stuck: CameraRecord | None = None
    """The first camera that could not be moved away when it was to be emptied; None if all could."""
    filling: bool = False
    """Whether it gets cameras of others, because it has much less to do than they have."""
    level_from_s: float = 0.0
    """Before, no camera is moved there to level the load."""
    levelled: CameraRecord | None = None
    """The last camera that was."""

    restarts: bool = False
    """Whether it is stopped in order to be started again, as was told."""

    @property
    def name(self) -> str:
        return self.address.engine

    def why_gone(self, otherwise: str) -> str:
        """Return why it has ended or is silent, as it or its node had said before."""
        if self.restarts:
            return "it is being restarted"
        return "it has stopped" if self.stopping else otherwise

    @property
    def emptying(self) -> bool:
        return self.stopping or self.draining

    def has_name(self, name: str) -> bool:
        """Return whether `name` is the engine's or its node's."""
        return name in (self.address.engine, self.address.node)


@dataclass(slots=True, eq=False)
class Hold:
    """A camera on an engine, from `Assign` to `Release`."""

    engine: EngineRecord
    generation: int
    seen: bool = False
    """Whether the engine has reported the camera with this generation."""
    live: bool = False
    earlier: bool = False
    """Whether it goes on with an earlier generation: it was not told of this one yet."""


@dataclass(slots=True, eq=False)
class Leaving:
    """A camera that an engine was told to give up. `engine` is None if several were told, one after another."""

    engine: EngineRecord | None
    seen: bool
    """Whether the engine reported it: only then does a report without it say that the engine has given it up."""


@dataclass(frozen=True, slots=True)
class Last:
    """The engine that was given a camera last. `run` is None if it is not known."""

    engine: str
    run: str | None
    generation: int


@dataclass(slots=True, eq=False)
class CameraRecord:
    """A camera of the fleet."""

    name: str
    wish: Wish | None
    """None: it was removed, and is remembered only until its last engine has given it up."""
    cost: float
    """Megapixels per second: as expected, until they were measured."""
    measured: bool = False
    generation: int = 0
    """The highest generation that was given or reported."""
    at: Hold | None = None
    """Where it is to be."""
    kept: Hold | None = None
    """The engine that goes on with a lower generation until the camera is live where it is to be."""
    leaving: Leaving | None = None
    last: Last | None = None
    placed_s: float = float("-inf")
    refusals: dict[str, tuple[float, str]] | None = None
    """Engines that refused it, until when they are not asked again, and why."""
    reason: str = "waits for the engines' reports"
    told: str = ""
    """The kind of the last announcement."""

    @property
    def wanted(self) -> bool:
        return self.wish is not None and self.wish.enabled

    def was_given_to(self, engine: EngineRecord) -> bool:
        """Return whether the engine may be the one that has the highest generation."""
        last = self.last
        return last is None or (last.engine == engine.name and last.run in (None, engine.address.run))

    def hold_of(self, engine: EngineRecord) -> Hold | None:
        """Return the camera's place on this engine, if it has one there."""
        for hold in (self.at, self.kept):
            if hold is not None and hold.engine is engine:
                return hold
        return None

    def refused_by(self, now_s: float) -> dict[str, tuple[float, str]]:
        """Return the engines that need not be asked now. Older refusals are forgotten."""
        if not self.refusals:
            return {}
        self.refusals = {engine: refusal for engine, refusal in self.refusals.items() if refusal[0] > now_s} or None
        return self.refusals or {}
