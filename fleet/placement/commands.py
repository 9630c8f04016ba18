"""What the state machine of the placement decides, in the order in which it is to be written and done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Assign:
    """The engine is to have the camera, with this generation. Written before it is sent."""

    engine: str
    run: str
    camera: str
    generation: int


@dataclass(frozen=True, slots=True)
class Release:
    """The engine is to give up the camera's generation `generation`, or any lower one."""

    engine: str
    run: str
    camera: str
    generation: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Where readers find the camera from now on. `engine` is None if no engine has it; `reason` says why."""

    camera: str
    state: Literal["placed", "unplaced", "disabled", "removed"]
    generation: int
    engine: str | None = None
    run: str | None = None
    previous: str | None = None
    previous_generation: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EngineLost:
    """An engine's lease has ended, or its process. It has no cameras any more."""

    engine: str
    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Drained:
    """No camera is left on the node or engine that was to be drained."""

    name: str


Command = Assign | Release | Announce | EngineLost | Drained
