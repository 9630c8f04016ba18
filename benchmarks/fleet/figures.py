"""The figures of one run with a fault, from what the two readers received."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks import stats
from benchmarks.fleet.readers import Row
from stream.subscriber import Moved


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that has happened. Times are seconds; `at_ns` is monotonic."""

    at_ns: int
    moving: Collection[str]
    """The cameras that it touches: those of the part that is killed, paused or emptied."""
    control_s: float | None = None
    """Until the coordinator answers and all engines that remain hold their leases. From the fault, or from when the
    GCS may be started again."""
    agents_s: float | None = None
    """As `control_s`, until every node has new agents, and the head keeps its coordinator again."""


@dataclass(frozen=True, slots=True)
class Received:
    """What the readers received until `end_ns`, monotonic."""

    cameras: Sequence[str]
    wire: Sequence[Row]
    handed: Sequence[Row]
    moves: Sequence[Moved]
    end_ns: int


@dataclass(frozen=True, slots=True)
class FaultRun:
    """Figures of one run. Times are seconds; those of several cameras are the longest."""

    touched: int
    """Cameras of the part with the fault."""
    live_s: float | None
    """From the fault until our subscriber hands out results of their new placements; None if one has none."""
    live_median_s: float | None
    live_on_wire_s: float | None
    """As `live_s`, for the raw reader."""
    silence_s: float | None
    """Between two results that our subscriber handed out of a touched camera."""
    moves: int
    """Moves that our subscriber tells of. Each is a gap of unknown size."""
    stale_on_wire: int
    """Results that a raw reader received after one of a later placement of the camera."""
    stale_handed: int
    """Of these, those that our subscriber handed out."""
    untouched_gaps: int
    """Results missing between two of one run and epoch."""
    untouched_drops: int
    """Frames between two results that have no result, without those of `untouched_gaps`."""
    untouched_silence_s: float
    untouched_moves: int
    """Untouched cameras with results of another run: of another engine, or of one that was started again."""
    cameras_lost: int
    """Cameras without a result in the last second of the run."""
    control_s: float | None = None
    agents_s: float | None = None
    silences_s: dict[str, float] = field(default_factory=dict[str, float])
    """Of every camera."""


def figures(injected: Injected, received: Received) -> FaultRun:
    """Return the figures of a run."""
    touched = [camera for camera in received.cameras if camera in injected.moving]
    others = [camera for camera in received.cameras if camera not in injected.moving]
    live = [_live_s(received.handed, camera, injected.at_ns) for camera in touched]
    on_wire = [_live_s(received.wire, camera, injected.at_ns) for camera in touched]
    found = [value for value in live if value is not None]
    handed = {camera: [row for row in received.handed if row.camera == camera] for camera in received.cameras}
    wire = {camera: [row for row in received.wire if row.camera == camera] for camera in received.cameras}
    silences = {camera: silence_s(handed[camera], injected.at_ns, received.end_ns) for camera in received.cameras}
    missing = [missed(_since(handed[camera], injected.at_ns)) for camera in others]
    return FaultRun(
        touched=len(touched),
        live_s=_all(live),
        live_median_s=stats.median(found) if found else None,
        live_on_wire_s=_all(on_wire),
        silence_s=max((silences[camera] for camera in touched), default=None),
        moves=len(received.moves),
        stale_on_wire=stale(received.wire),
        stale_handed=stale(received.handed),
        untouched_gaps=sum(gaps for gaps, _ in missing),
        untouched_drops=sum(drops for _, drops in missing),
        untouched_silence_s=max((silences[camera] for camera in others), default=0.0),
        untouched_moves=sum(_runs(_since(wire[camera], injected.at_ns)) > 1 for camera in others),
        cameras_lost=sum(not rows or received.end_ns - rows[-1].at_ns > 1_000_000_000 for rows in handed.values()),
        control_s=injected.control_s,
        agents_s=injected.agents_s,
        silences_s=silences,
    )


def silence_s(rows: Sequence[Row], since_ns: int, end_ns: int) -> float:
    """Return the longest time without a result after `since_ns`, also one that began before it or lasts until the
    end."""
    before = max((row.at_ns for row in rows if row.at_ns <= since_ns), default=since_ns)
    times = [before, *(row.at_ns for row in rows if since_ns < row.at_ns <= end_ns), end_ns]
    return max(later - earlier for earlier, later in pairwise(times)) / 1e9


def missed(rows: Iterable[Row]) -> tuple[int, int]:
    """Return the results missing between two of one camera, run and epoch, and the other frames without a result."""
    last: dict[tuple[str, str, int], Row] = {}
    gaps = drops = 0
    for row in rows:
        of = (row.camera, row.run, row.epoch)
        earlier = last.get(of)
        if earlier is not None and row.seq <= earlier.seq:
            continue
        if earlier is not None:
            gaps += row.seq - earlier.seq - 1
            drops += row.frame - earlier.frame - (row.seq - earlier.seq)
        last[of] = row
    return gaps, drops


def stale(rows: Iterable[Row]) -> int:
    """Return the number of results that come after one of a later placement of the same camera."""
    highest: dict[str, int] = {}
    count = 0
    for row in rows:
        count += row.generation < highest.get(row.camera, 0)
        highest[row.camera] = max(highest.get(row.camera, 0), row.generation)
    return count


def generations(rows: Iterable[Row]) -> Mapping[str, int]:
    """Return the highest generation of each camera."""
    highest: dict[str, int] = {}
    for row in rows:
        highest[row.camera] = max(highest.get(row.camera, 0), row.generation)
    return highest


def _all(values: Sequence[float | None]) -> float | None:
    """Return the largest; None if one is missing, or all."""
    found = [value for value in values if value is not None]
    return max(found) if found and len(found) == len(values) else None


def _live_s(rows: Sequence[Row], camera: str, fault_ns: int) -> float | None:
    own = [row for row in rows if row.camera == camera]
    before = max((row.generation for row in own if row.at_ns <= fault_ns), default=0)
    return next(((row.at_ns - fault_ns) / 1e9 for row in own if row.at_ns > fault_ns and row.generation > before), None)


def _runs(rows: Iterable[Row]) -> int:
    return len({row.run for row in rows})


def _since(rows: Sequence[Row], since_ns: int) -> list[Row]:
    """Return the rows from the last one before `since_ns` on."""
    first = sum(row.at_ns <= since_ns for row in rows)
    return list(rows[max(first - 1, 0) :])
