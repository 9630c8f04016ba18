"""Tests of the cameras that engines are to have, and of their grants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.coordinator.assignments import Assignments
from stream.membership.protocol import MOST_BYTES, Grant, encode

SETTINGS = {name: {"source": f"pattern:{name}"} for name in "abcd"}


@pytest.fixture
def assignments() -> Assignments:
    made = Assignments("c" * 32, 2.0, "soft", SETTINGS.get, 1000)
    made.begin("one", "r1", {"a": 5})
    return made


def grant(assignments: Assignments, version: int, engine: str = "one") -> Grant:
    return assignments.grant(engine, 77, version, prolong=True)


def test_an_engine_that_has_everything_gets_its_lease_only(assignments: Assignments) -> None:
    first = grant(assignments, 0)
    assert (first.generations, dict(first.cameras or {})["a"].settings) == ({"a": 5}, SETTINGS["a"])
    again = grant(assignments, first.version)
    assert (again.asked_ns, again.ttl_ms, again.generations, again.cameras) == (77, 2000, None, None)


def test_an_engine_gets_the_settings_that_its_version_lacks(assignments: Assignments) -> None:
    version = grant(assignments, 0).version
    assert assignments.assign("one", "r1", "b", 9)
    changed = grant(assignments, version)
    assert changed.version > version and changed.generations == {"a": 5, "b": 9}
    assert list(changed.cameras or {}) == ["b"]
    assert list(grant(assignments, version).cameras or {}) == ["b"]  # the first one may be lost
    assert assignments.settings_changed("a") == ["one"]
    assert list(grant(assignments, changed.version).cameras or {}) == ["a"]


def test_a_version_of_another_coordinator_counts_as_none(assignments: Assignments) -> None:
    assert list(grant(assignments, 10**12).cameras or {}) == ["a"]


def test_a_release_takes_no_later_generation(assignments: Assignments) -> None:
    assert not assignments.release("one", "r1", "a", 4)
    assert not assignments.release("one", "r2", "a", 5)
    assert assignments.release("one", "r1", "a", 5)
    assert not assignments.release("one", "r1", "a", 5)
    assert grant(assignments, 0).generations == {}


def test_an_engine_that_was_started_again_gets_nothing_of_its_former_run(assignments: Assignments) -> None:
    assignments.begin("one", "r2", {})
    assert not assignments.assign("one", "r1", "b", 9)
    assignments.end("one", "r1")
    assert assignments.generations("one") == {} and grant(assignments, 0).generations == {}


def test_a_camera_whose_settings_are_not_known_is_left_to_its_engine(assignments: Assignments) -> None:
    assignments.begin("one", "r1", {"lost": 3})
    granted = grant(assignments, 0)
    assert (granted.generations, granted.cameras) == ({"lost": 3}, {})


Change = st.tuples(st.sampled_from(["assign", "release", "settings", "grant"]), st.sampled_from("abcd"), st.booleans())


@given(st.lists(Change, max_size=40), st.sampled_from([1, 60, 10**6]))
def test_an_engine_that_takes_some_of_its_grants_has_everything_in_the_end(
    changes: list[tuple[str, str, bool]], most_settings: int
) -> None:
    settings = {name: {"number": 0} for name in "abcd"}
    assignments = Assignments("c" * 32, 2.0, "soft", settings.get, 1000, most_settings)
    assignments.begin("one", "r1", {})
    generations: dict[str, int] = {}
    has: dict[str, object] = {}
    version = 0

    def take(message: Grant) -> None:
        nonlocal version, generations
        if message.generations is not None:
            has.update({name: assigned.settings for name, assigned in (message.cameras or {}).items()})
            generations = dict(message.generations)
            version = message.version

    for number, (what, camera, arrives) in enumerate(changes):
        if what == "assign":
            assignments.assign("one", "r1", camera, number)
        elif what == "release":
            assignments.release("one", "r1", camera, number)
        elif what == "settings":
            settings[camera] = {"number": number}
            assignments.settings_changed(camera)
        elif (message := grant(assignments, version)) and arrives:
            take(message)
    while (message := grant(assignments, version)).generations is not None:
        assert message.version > version
        take(message)
    assert generations == assignments.generations("one")
    assert {name: has[name] for name in generations} == {name: settings[name] for name in generations}


def test_many_settings_come_in_parts_and_meanwhile_an_engine_keeps_the_cameras_that_it_has() -> None:
    settings = {f"c{number}": {"zones": "z" * 1_000_000} for number in range(9)}
    assignments = Assignments("c" * 32, 2.0, "soft", settings.get, 1000)
    has = {f"c{number}": 5 for number in range(6)}
    assignments.begin("one", "r1", has)
    for camera in ("c6", "c7", "c8"):
        assignments.assign("one", "r1", camera, 9)
    version, got = 0, list[str]()
    while (message := assignments.grant("one", 77, version, prolong=True, has=has)).generations is not None:
        assert len(encode(message)) <= MOST_BYTES and message.ttl_ms == 2000
        assert has.items() <= message.generations.items()
        got += message.cameras or {}
        version, has = message.version, message.generations
    assert sorted(got) == sorted(settings) and has.keys() == settings.keys()
