"""Messages of a camera's lower generations are discarded."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import support.engines.wire_messages as wire
from stream.results import Frame, Status
from stream.subscription import subscription as generations
from stream.subscription.subscription import Generations


def frame(generation: int | None, camera: str = "door") -> Frame:
    return msgspec.structs.replace(wire.frame(camera), generation=generation)


def status(generation: int, state: str) -> Status:
    return msgspec.structs.replace(wire.status("door"), generation=generation, state=state)


@given(st.lists(st.integers(0, 5)))
def test_what_is_admitted_never_goes_back(sent: list[int]) -> None:
    seen = Generations()
    admitted = [one for one in sent if seen.admits(frame(one))]
    assert admitted == sorted(admitted)
    assert set(admitted) >= {max(sent[: end + 1]) for end in range(len(sent))}


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
    assert seen.admits(frame(4))
    assert seen.generation("door") == 4


def test_a_camera_that_is_forgotten_begins_with_its_next_message() -> None:
    seen = Generations()
    assert seen.admits(status(5, "connecting")) and seen.admits(frame(4))
    seen.forget("door")
    assert seen.generation("door") == -1
    assert seen.admits(status(1, "connecting")) and seen.admits(frame(1))


def test_cameras_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "CAMERAS_REMEMBERED", 20)
    seen = Generations()
    assert seen.admits(frame(5, "first"))
    for number in range(generations.CAMERAS_REMEMBERED):
        assert seen.admits(frame(5, f"cam{number}"))
    assert seen.admits(frame(1, "first"))
    assert not seen.admits(frame(1, "cam9"))
