"""What happens in a fleet, as the state machine of the placement takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.membership.protocol import EngineReport
from stream.results import EngineAddress


@dataclass(frozen=True, slots=True)
class Wish:
    """What the placement has to know of a camera's settings."""

    enabled: bool = True
    pinned: str | None = None
    """The only engine or node that can read it: a device, or a file on that machine."""
    exclusive: bool = False
    """Whether its source takes one connection only, so that a move must end the old one first."""
    pixels: float = 2.0
    """Megapixels per second expected before any were measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A camera in an engine's report."""

    generation: int
    live: bool
    pixels: float = 0.0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class EngineRenewed:
    """An engine renewed its lease. `cameras`: all that it has; None: as before."""

    address: EngineAddress
    report: EngineReport
    cameras: Mapping[str, Measured] | None = None
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class EngineEnded:
    """This run of an engine has ended for certain: its process is gone."""

    engine: str
    run: str


@dataclass(frozen=True, slots=True)
class EngineRestarts:
    """This run of an engine is about to be stopped, and the engine will be started again."""

    engine: str
    run: str


@dataclass(frozen=True, slots=True)
class CameraWanted:
    """A camera was added, or what is wished of it was changed."""

    camera: str
    wish: Wish = field(default_factory=Wish)


@dataclass(frozen=True, slots=True)
class CameraUnwanted:
    """A camera was removed from the fleet."""

    camera: str


@dataclass(frozen=True, slots=True)
class DrainBegun:
    """The cameras of a node or an engine are to be moved away, and it is to get no more."""

    name: str


@dataclass(frozen=True, slots=True)
class DrainEnded:
    """A node or an engine may have cameras again."""

    name: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. Needed a few times in the time of a lease."""

    held: bool = False
    """Whether what was decided waits, because it cannot be written. Until a later tick, nothing is placed or moved, and
    no engine is late with what it may not have been told."""


Event = EngineRenewed | EngineEnded | EngineRestarts | CameraWanted | CameraUnwanted | DrainBegun | DrainEnded | Tick
