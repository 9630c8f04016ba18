"""What each engine is to have."""

from __future__ import annotations

from fleet.placement.commands import Announce, Assign, EngineLost, Release
from fleet.simulation.assignments import Assignments


def test_a_camera_is_an_engines_from_its_assignment_to_its_release() -> None:
    assignments = Assignments()
    assert assignments.take([Assign("e", "a", "c", 5), Announce("c", "placed", 5)]) == {"e"}
    assert assignments["e"] == {"c": 5}
    assert assignments.take([Release("e", "a", "c", 5)]) == {"e"}
    assert assignments["e"] == {}


def test_a_release_leaves_a_higher_generation() -> None:
    assignments = Assignments()
    assignments.take([Assign("e", "a", "c", 6), Release("e", "a", "c", 5)])
    assert assignments["e"] == {"c": 6}


def test_a_lost_engine_has_nothing() -> None:
    assignments = Assignments()
    assert assignments.take([Assign("e", "a", "c", 5), EngineLost("e", "a", "silent")]) == set()
    assert assignments["e"] == {}
