"""The rules of a running camera."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from stream.cameras.camera_rules import CameraRules
from stream.results import Frame, ModelRef, Person
from stream.rules.compiled import CompiledRules
from stream.rules.evaluator import Evaluator
from stream.settings.rules import RulesConfig
from stream.settings.zones import ZoneConfig

HALL = ZoneConfig(points=[(0, 0), (1, 0), (1, 1), (0, 1)], ignore=False)
IGNORED = HALL.model_copy(update={"ignore": True})


def compiled(**rules: Any) -> CompiledRules:
    return CompiledRules(RulesConfig.model_validate({"rules": rules}))


def frame(second: float, *people: tuple[int, list[str]], epoch: int = 1) -> Frame:
    media_us = round(second * 1e6)
    return Frame(
        run="",
        seq=0,
        camera="door",
        epoch=epoch,
        frame=0,
        capture_us=10**15 + media_us,
        clock="media",
        media_time_us=media_us,
        published_us=0,
        size=(100, 100),
        model=ModelRef("edge", "", True),
        people=[Person(track, (0.0, 0.0, 1.0, 1.0), 0.9, None, [], zones=zones) for track, zones in people],
        objects=[],
    )


def rules_of_door() -> CameraRules:
    ids = count()
    return CameraRules("door", lambda: f"alert-{next(ids)}")


EMPTY = compiled(empty={"zone": ["desk", "hall"], "people": {"at_most": 0}})
VISITOR = compiled(visitor={"enters": "hall"})


def test_a_camera_without_a_zone_is_not_an_empty_post() -> None:
    rules = rules_of_door()
    _, alerts = rules.apply(frame(0), EMPTY, {"hall": HALL})
    assert [alert.zone for alert in alerts] == ["hall"]
    _, alerts = rules.apply(frame(1), EMPTY, {"hall": HALL, "desk": IGNORED})
    assert alerts == [], "people in ignored zones are not reported"
    _, alerts = rules.apply(frame(40), EMPTY, {})
    assert [(alert.zone, alert.state) for alert in alerts] == [("hall", "cleared")]


def test_a_person_does_not_enter_a_zone_that_is_drawn_over_them() -> None:
    rules = rules_of_door()
    assert rules.apply(frame(0, (1, [])), VISITOR, {}) == ([], [])
    assert rules.apply(frame(1, (1, ["hall"])), VISITOR, {"hall": HALL}) == ([], [])
    assert rules.apply(frame(2, (1, [])), VISITOR, {"hall": HALL}) == ([], [])
    _, alerts = rules.apply(frame(3, (1, ["hall"])), VISITOR, {"hall": HALL})
    assert [alert.state for alert in alerts] == ["began"]


def test_rules_that_raise_an_error_are_off_until_the_file_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    rules, broken = rules_of_door(), compiled(visitor={"zone": "hall"})
    assert len(rules.apply(frame(0, (1, ["hall"])), broken, {"hall": HALL})[1]) == 1
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "update", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rules.apply(frame(1, (1, ["hall"])), broken, {"hall": HALL})
    assert rules.apply(frame(2, (1, ["hall"])), broken, {"hall": HALL}) == ([], [])
    mended = compiled(visitor={"zone": "hall"})
    assert len(rules.apply(frame(3, (1, ["hall"])), mended, {"hall": HALL})[1]) == 1


def test_without_a_result_for_long_the_alerts_are_cleared_and_begin_again_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("stream.cameras.camera_rules.time.monotonic", lambda: now[0])
    rules, visitor = rules_of_door(), compiled(visitor={"zone": "hall", "cooldown": "0s"})
    rules.apply(frame(0, (1, ["hall"])), visitor, {"hall": HALL})
    now[0] += 9
    assert rules.end_if_silent() == ([], [])
    now[0] += 1
    _, (cleared,) = rules.end_if_silent()
    assert (cleared.state, cleared.clear_reason, cleared.capture_us) == ("cleared", "no_results", 10**15)
    _, (began,) = rules.apply(frame(10, (1, ["hall"])), visitor, {"hall": HALL})
    assert began.state == "began" and began.alert != cleared.alert
