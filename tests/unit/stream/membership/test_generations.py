"""Under which generation a camera's messages are published."""

from __future__ import annotations

import pytest

from stream.membership import generations as generations_module
from stream.membership.generations import Generations


def test_a_camera_has_its_generation_while_it_runs_and_for_what_comes_after_it() -> None:
    generations = Generations()
    assert generations.of("lobby") is None
    generations.begin("lobby", 7)
    generations.begin("lobby", 9)
    generations.end("lobby")
    generations.end("lobby")
    generations.end("never")
    assert (generations.of("lobby"), generations.of("never")) == (9, None)


def test_only_the_cameras_that_ended_first_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations_module, "ENDED_REMEMBERED", 2)
    generations = Generations()
    for number in range(5):
        generations.begin(f"c{number}", number)
    for name in ("c0", "c1", "c2"):
        generations.end(name)
    generations.begin("c1", 11)
    generations.end("c3")
    assert [generations.of(f"c{number}") for number in range(5)] == [None, 11, 2, 3, 4]
