"""How often cameras were given to engines and why, and which of them moved often lately. Times are arguments."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Literal

from fleet.placement.commands import Announce
from fleet.placement.placement import Placement

WINDOW_S = 900.0
MOST_MOVES = 50_000
"""Moves that are remembered."""
MOST_CAMERAS = 20
"""Cameras that are named."""

Cause = Literal["placed", "returned", "engine_lost", "stopped", "drained", "pinned", "refused", "balanced"]
"""Why an engine was given a camera. `placed`: no engine had it before. `returned`: this engine had it last. The others
are moves, by what the last engine was or did: it is lost, is stopping or has stopped in order, is drained, is not the
one that the camera is pinned to, or refused the camera or did not have it live in time; `balanced`: none of these."""
NO_MOVES: frozenset[Cause] = frozenset({"placed", "returned"})


class Moves:
    """The cameras that were given to engines, by cause, and the moves of the last `WINDOW_S` seconds."""

    def __init__(self) -> None:
        self.counts: Counter[Cause] = Counter()
        self._moves: deque[tuple[float, str]] = deque(maxlen=MOST_MOVES)

    def add(self, camera: str, cause: Cause, now_s: float) -> None:
        """Note that an engine was given a camera."""
        self.counts[cause] += 1
        if cause not in NO_MOVES:
            self._moves.append((now_s, camera))

    def most(self, now_s: float) -> list[tuple[str, int]]:
        """Return the cameras that moved most and their moves: at most `MOST_CAMERAS`, which moved at least twice."""
        while self._moves and self._moves[0][0] <= now_s - WINDOW_S:
            self._moves.popleft()
        counts = Counter(camera for _, camera in self._moves)
        return [(camera, moves) for camera, moves in counts.most_common(MOST_CAMERAS) if moves > 1]


def cause_of(placed: Announce, placement: Placement, pin: str | None, stopped: Callable[[str], bool]) -> Cause:
    """Return why a camera was given to an engine. `stopped` tells whether a lost engine had said that it would end."""
    last = placed.previous
    if last is None:
        return "placed"
    if last == placed.engine:
        return "returned"
    engine = placement.engines.get(last)
    if engine is None:
        return "stopped" if stopped(last) else "engine_lost"
    if engine.stopping or engine.draining:
        return "stopped" if engine.stopping else "drained"
    camera = placement.cameras.get(placed.camera)
    if camera is not None and last in camera.refused_by:
        return "refused"
    return "pinned" if pin is not None and pin not in (last, engine.address.node) else "balanced"
