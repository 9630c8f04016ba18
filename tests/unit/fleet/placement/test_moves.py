"""The causes of placements, and which cameras moved often."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.placement.commands import Announce
from fleet.placement.moves import MOST_CAMERAS, WINDOW_S, Cause, Moves, cause_of


@dataclass
class Places:
    """What `cause_of` reads of a placement: the engine `old`, and the camera."""

    engines: dict[str, Any] = field(default_factory=dict[str, Any])
    cameras: dict[str, Any] = field(default_factory=dict[str, Any])


def engine(*, draining: bool = False, stopping: bool = False) -> Any:
    return SimpleNamespace(address=SimpleNamespace(node="rack"), draining=draining, stopping=stopping)


@pytest.mark.parametrize(
    ("previous", "old", "refused_by", "pin", "cause"),
    [
        (None, None, (), None, "placed"),
        ("new", None, (), None, "returned"),
        ("old", None, (), None, "engine_lost"),
        ("ended", None, (), None, "stopped"),
        ("old", engine(stopping=True, draining=True), (), None, "stopped"),
        ("old", engine(draining=True), (), None, "drained"),
        ("old", engine(), ("old",), None, "refused"),
        ("old", engine(), (), "new", "pinned"),
        ("old", engine(), (), "rack", "balanced"),
        ("old", engine(), ("other",), None, "balanced"),
    ],
)
def test_the_cause_is_what_the_last_engine_was_or_did(
    previous: str | None, old: Any, refused_by: tuple[str, ...], pin: str | None, cause: Cause
) -> None:
    places: Any = Places({"old": old} if old is not None else {}, {"c": SimpleNamespace(refused_by=refused_by)})
    placed = Announce("c", "placed", 7, "new", "run", previous, 6)
    assert cause_of(placed, places, pin, lambda name: name == "ended") == cause


def test_the_cameras_that_moved_most_lately_are_named() -> None:
    moves = Moves()
    for number in range(MOST_CAMERAS + 5):
        for _ in range(number):
            moves.add(f"c{number}", "balanced", 100.0)
    moves.add("new", "placed", 100.0)
    moves.add("new", "returned", 101.0)
    most = moves.most(102.0)
    assert most[0] == (f"c{MOST_CAMERAS + 4}", MOST_CAMERAS + 4)
    assert len(most) == MOST_CAMERAS and min(count for _, count in most) == 5
    assert moves.counts == {"balanced": sum(range(MOST_CAMERAS + 5)), "placed": 1, "returned": 1}
    moves.add("c1", "balanced", 100.0 + WINDOW_S)
    moves.add("c1", "balanced", 100.0 + WINDOW_S)
    assert moves.most(100.0 + WINDOW_S) == [("c1", 2)]
