"""What the coordinator may read of the placement, for its status and its directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from fleet.placement.records import CameraRecord, EngineRecord
from stream.membership.protocol import EngineReport
from stream.results import EngineAddress


@dataclass(frozen=True, slots=True)
class EngineView:
    """An engine that holds its lease."""

    address: EngineAddress
    report: EngineReport
    known: bool
    """Whether it has reported its cameras. Before, it is not to be told which it is to have."""
    cameras: int
    load: float
    """Cost of its cameras, megapixels per second."""
    heard_s: float
    draining: bool
    stopping: bool
    stuck: str
    """A camera that could not be moved away lately, and why, as a sentence; empty if there is none."""


@dataclass(frozen=True, slots=True)
class CameraView:
    """A camera of the fleet. `moving`: the engine `previous` goes on until it is live at `engine`. `removed`: its last
    engine has not given it up yet."""

    state: Literal["placed", "moving", "unplaced", "disabled", "removed"]
    generation: int
    live: bool
    engine: str | None
    run: str | None
    previous: str | None
    cost: float
    """Megapixels per second."""
    reason: str
    told: str
    """The kind of the last announcement: for a camera that found no engine, a word for the reason."""
    refused_by: frozenset[str]
    """Engines that refused it lately."""


def engine_view(engine: EngineRecord) -> EngineView:
    """Return what may be read of an engine."""
    return EngineView(
        engine.address,
        engine.report,
        engine.known,
        len(engine.held),
        engine.load,
        engine.heard_s,
        engine.draining,
        engine.stopping,
        f"{engine.stuck.name}: {engine.stuck.reason}" if engine.stuck is not None else "",
    )


def camera_view(camera: CameraRecord) -> CameraView:
    """Return what may be read of a camera."""
    place, kept = camera.at, camera.kept
    serving = place or kept
    return CameraView(
        _state(camera),
        camera.generation,
        any(hold is not None and hold.live for hold in (place, kept)),
        serving.engine.name if serving else None,
        serving.engine.address.run if serving else None,
        kept.engine.name if kept and place else None,
        camera.cost,
        camera.reason,
        camera.told,
        frozenset(camera.refusals or ()),
    )


def _state(camera: CameraRecord) -> Literal["placed", "moving", "unplaced", "disabled", "removed"]:
    if camera.wish is None:
        return "removed"
    if not camera.wanted:
        return "disabled"
    if camera.kept is not None:
        return "moving"
    return "unplaced" if camera.at is None else "placed"


Record = TypeVar("Record")
View = TypeVar("View")


class Views(Mapping[str, View], Generic[Record, View]):
    """The views of records, each made when it is asked for."""

    def __init__(self, records: Mapping[str, Record], view: Callable[[Record], View]) -> None:
        self._records, self._view = records, view

    def __getitem__(self, name: str) -> View:
        return self._view(self._records[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)
