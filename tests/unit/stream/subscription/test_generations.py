"""Messages of a camera's lower generations are discarded."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import support.engines.wire_messages as wire
from stream.results import Frame, Status
from stream.subscription import subscription as generations
from stream.subscription.subscription import Generations, begins


def frame(generation: int | None, camera: str = "door") -> Frame:
    return msgspec.structs.replace(wire.frame(camera), generation=generation)


def status(generation: int, state: str) -> Status:
    return msgspec.structs.replace(wire.status("door"), generation=generation, state=state)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(("frame", "connecting", "live", "removed")))))
def test_what_is_admitted_never_goes_back(sent: list[tuple[int, str]]) -> None:
    seen = Generations()
    messages = [frame(number) if what == "frame" else status(number, what) for number, what in sent]
    admitted = [one for one in messages if seen.admits(one)]
    begun = [one.generation or 0 for one in admitted if begins(one)]
    statuses = [one.generation or 0 for one in admitted if isinstance(one, Status)]
    assert begun == sorted(begun)
    assert statuses == sorted(statuses)
    newest = max((number for number, _ in sent), default=0)
    assert all(one in admitted for one in messages if isinstance(one, Frame) and one.generation == newest)


def test_cameras_are_independent_of_each_other() -> None:
    seen = Generations()
    assert seen.admits(frame(5, "door"))
    assert seen.admits(frame(1, "yard"))


def test_messages_without_a_generation_are_admitted() -> None:
    seen = Generations()
    assert seen.admits(frame(5))
    assert seen.admits(frame(None))
    assert seen.admits(wire.stats())


def test_a_camera_that_connects_elsewhere_does_not_end_its_results() -> None:
    seen = Generations()
    assert seen.admits(frame(1))
    assert seen.admits(status(2, "connecting"))
    assert seen.admits(frame(1))
    assert not seen.admits(status(1, "removed"))
    assert seen.admits(status(2, "live"))
    assert not seen.admits(frame(1))


def test_messages_of_a_camera_that_has_ended_are_discarded_up_to_its_last_generation() -> None:
    seen = Generations()
    assert seen.admits(frame(1))
    seen.end("door", 3)
    assert not seen.admits(frame(3))
    assert not seen.admits(status(3, "removed"))
    assert seen.admits(frame(4))


def test_cameras_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "CAMERAS_REMEMBERED", 20)
    seen = Generations()
    assert seen.admits(frame(5, "first"))
    for number in range(generations.CAMERAS_REMEMBERED):
        assert seen.admits(frame(5, f"cam{number}"))
    assert seen.admits(frame(1, "first"))
    assert not seen.admits(frame(1, "cam9"))
